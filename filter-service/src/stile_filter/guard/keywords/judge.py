"""Whether a match counts: in which language its sentence is, and in which script it is written."""

import re
import unicodedata
from collections.abc import Sequence

from stile_filter.guard.keywords import language
from stile_filter.guard.keywords.fold import Folded, is_loose, plain
from stile_filter.guard.keywords.phrases import Everyday, Match, Phrases

_MIN_WORDS = 3
"""Of fewer words no language is guessed."""

_SURE = 0.6
_LIKELY = 0.3
_POSSIBLE = 0.1
"""Confidences from which on a sentence's language is taken for certain, likely, and possible; measured on
the short questions of twelve languages."""

_MOST_QUESTIONS = 500
"""Sentences of one text that are looked at. No honest text has so many that are doubtful; from there on all
of them count, so that a text cannot keep the filter busy."""

_NEAR = 40
"""So many characters before and after a word show whether it is a name."""

_SPOKEN = frozenset(
    {
        *("ARABIC", "ARMENIAN", "BOPOMOFO", "CJK", "CYRILLIC", "GEORGIAN", "GREEK"),
        *("HANGUL", "HEBREW", "HIRAGANA", "KATAKANA", "THAI"),
    }
)
"""Scripts of which a word alone is more likely a word of its own than an English one in disguise."""

_TITLES = frozenset(
    {
        *("aunt", "brother", "captain", "cousin", "dame", "doctor", "don", "dr", "father", "fr", "frau"),
        *("grandpa", "herr", "lady", "lord", "miss", "mister", "mr", "mrs", "ms", "onkel", "oom", "pastor"),
        *("president", "prof", "professor", "saint", "senator", "sheriff", "sir", "sister", "st"),
        *("tante", "tio", "uncle"),
    }
)
"""What stands before a name."""
_BEFORE = re.compile(r"([^\W\d_]+)\.?[ \u00a0-](?:[A-Z]\. ?)*\Z")
_BEHIND = re.compile(r"[ \u00a0-](?:[A-Z]\. ?)*([^\W\d_]+)")


class Judge:
    """Judges the matches in one text.

    Args:
        lists: the phrases of each list.
        everyday: words that are no surnames, lower case.
    """

    def __init__(self, lists: Sequence[Phrases], everyday: Everyday) -> None:
        self._lists = lists
        self._everyday = everyday
        self._questions = 0

    def is_in_language(self, folded: Folded, match: Match, index: int) -> bool:
        """Tell whether a phrase of the list ``index`` counts in the language of its sentence."""
        if self._is_tired():
            return True
        words = self._lists[index]
        sentence, others = _sentence(folded, match)
        likely = language.likely(sentence)
        if words.language is not None:
            return likely.get(words.language, 0) >= _LIKELY
        mine = sum(
            likely.get(name, 0)
            for name, ordinary in words.ordinary.items()
            if match.phrase.text in map(plain, ordinary)
        )
        if mine < _POSSIBLE or likely.get("en", 0) > mine or not others.strip():
            return True
        # The word itself may have spoken for its language; then the others speak against it.
        return language.likely(others).get("en", 0) >= _LIKELY

    def is_name(self, folded: Folded, match: Match) -> bool:
        """Tell whether a word that is a name too is one here: "Dick Grayson", "Senator Coons".

        A name has a capital letter and follows a title; or it stands beside a word with a capital letter that
        is no everyday word, in a sentence that has small letters as well.
        """
        span = folded.locate(match.start, match.end)
        part = folded.parts[span.part]
        written = part[span.start : span.end].rstrip()  # a span may include the space after it
        if not written.istitle():
            return False
        end = span.start + len(written)
        left, right = part[max(0, span.start - _NEAR) : span.start], part[end : end + _NEAR]
        before, behind = _BEFORE.search(left), _BEHIND.match(right)
        if before and before[1].lower() in _TITLES:
            return True
        if not any(word.islower() and len(word) > 1 for word in f"{left} {right}".split()):
            return False
        if before and not left[: before.start()].strip():
            before = None  # the first word has its capital letter anyway
        return any(
            near is not None and near[1].istitle() and near[1].lower() not in self._everyday
            for near in (before, behind)
        )

    def looks_alike(self, folded: Folded, match: Match) -> bool:
        """Tell whether a word without accents and look-alikes is what its writer meant."""
        span = folded.locate(match.start, match.end)
        written = folded.parts[span.part][span.start : span.end]
        letters = [char for char in written if char.isalpha()]
        scripts = {_script(char) for char in letters}
        if not match.phrase.text.isascii():
            # Latin letters alone are no Russian word, whatever they look like.
            return scripts != {"LATIN"}
        if written.isascii():
            return False  # the plain view has judged it
        if scripts == {"LATIN"}:
            return self.may_be_english(folded, match)
        if "LATIN" in scripts or len(scripts) != 1 or self._is_tired():
            return True
        # One foreign script alone: its own word, unless the text around it is Latin.
        _, around = _sentence(folded, match)
        others = [_script(char) for char in around if char.isalpha()]
        if others:
            return others.count("LATIN") * 2 > len(others)
        return not (scripts <= _SPOKEN and any(map(is_loose, letters)))

    def may_be_english(self, folded: Folded, match: Match) -> bool:
        """Tell whether the sentence may be English, for which the disguises were made."""
        if self._is_tired():
            return True
        # A disguised word speaks for no language, and a sentence needs some words to speak for one.
        _, others = _sentence(folded, match)
        if sum(len(word) > 1 for word in others.split()) < _MIN_WORDS:
            return True
        likely = language.likely(others)
        return likely.get("en", 0) >= _POSSIBLE or max(likely.values(), default=0) < _SURE

    def _is_tired(self) -> bool:
        self._questions += 1
        return self._questions > _MOST_QUESTIONS


def _sentence(folded: Folded, match: Match) -> tuple[str, str]:
    """Return the sentence that a match stands in, with the matched words and without."""
    span = folded.locate(match.start, match.end)
    part = folded.parts[span.part]
    around = language.sentence_around(part, span.start, span.end)
    return around, around.replace(part[span.start : span.end], " ")


def _script(char: str) -> str:
    return unicodedata.name(char, "").partition(" ")[0]
