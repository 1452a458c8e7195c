"""Layer 1: every keyword list at once, over the text as it is meant."""

import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from stile_filter.guard.keywords import language
from stile_filter.guard.keywords.decoding import decoded
from stile_filter.guard.keywords.fold import Folded, Span, is_loose, plain, skeleton, skeletons
from stile_filter.guard.keywords.phrases import Automaton, Match, Phrases, compiled
from stile_filter.guard.keywords.views import (
    Disguised,
    Everyday,
    Leet,
    Shape,
    Spelled,
    Split,
    Stretched,
    turned,
)

_DEPTH = 3
"""How often a text that was decoded is decoded again."""

_MIN_WORDS = 3
"""Of fewer words no language is guessed."""

_SURE = 0.6
_LIKELY = 0.3
_POSSIBLE = 0.1
"""Confidences from which on a sentence's language is taken for certain, likely, and possible; measured on
the short questions of twelve languages."""


_SPOKEN = frozenset(
    [
        "ARABIC",
        "ARMENIAN",
        "BOPOMOFO",
        "CJK",
        "CYRILLIC",
        "GEORGIAN",
        "GREEK",
        "HANGUL",
        "HEBREW",
        "HIRAGANA",
        "KATAKANA",
        "THAI",
    ]
)
"""Scripts of which a word alone is more likely a word of its own than an English one in disguise."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One place where a text has a phrase of a list."""

    index: int
    """The list's."""
    phrase: str
    view: str
    """In which way of reading the text it was found; of encodings from the outside in: ``base64/leet``."""
    span: Span
    """In the original."""


class KeywordMatcher:
    """Finds which lists a text has phrases of.

    Args:
        lists: the phrases of each list.
        everyday: words that may stand beside one another, whatever they are put together.
    """

    def __init__(self, lists: Sequence[Phrases], everyday: Everyday = frozenset()) -> None:
        self._lists = lists
        phrases = compiled(lists, plain)
        self._plain = Automaton((phrase.text, phrase) for phrase in phrases)
        self._skeletons = Automaton((form, phrase) for phrase in phrases if (form := skeleton(phrase.text)))
        self._disguised = Automaton(Disguised(phrases, everyday).forms)
        leet = Leet(phrases)
        self._views = (leet, Stretched(phrases), Spelled(leet, phrases), Split(phrases, everyday))

    def find(self, *parts: str) -> set[int]:
        """Return the indexes of the lists that a text has a phrase of.

        Args:
            parts: the text, as it was written apart: a phrase may lie across two parts, an exception not.
        """
        found: set[int] = set()
        for hit in self.hits(*parts):
            found.add(hit.index)
            if len(found) == len(self._lists):
                break
        return found

    def hits(self, *parts: str) -> Iterator[Hit]:
        """Yield where a text has phrases, and in which view; see ``find``.

        A place may be found in several views; one view of it is enough.
        """
        yield from self._search(parts, "", _DEPTH)

    def _search(self, parts: Sequence[str], outer: str, depth: int) -> Iterator[Hit]:
        folded = Folded(parts, plain)
        yield from self._hits(parts, folded, "plain", outer, self._plain.words(folded.text))
        text = folded
        if not all(map(str.isascii, parts)):
            for fold in skeletons(parts):
                looked = Folded(parts, fold)
                matches = self._skeletons.words(looked.text)
                yield from self._hits(parts, looked, "look-alikes", outer, matches, self._looks_alike)
                text = looked if fold is skeleton else text
        matches = self._disguised.words(folded.text)
        yield from self._hits(parts, folded, "disguised", outer, matches, self._is_ascii)
        shape = Shape(text.text)
        for view in self._views:
            matches = view.matches(text.text, shape)
            yield from self._hits(parts, text, view.name, outer, matches, self._is_of_the_language)
        if depth:
            yield from self._decoded(parts, outer, depth)

    def _decoded(self, parts: Sequence[str], outer: str, depth: int) -> Iterator[Hit]:
        for index, part in enumerate(parts):
            if (upright := turned(part)) is not None:
                for hit in self._search([upright], f"{outer}upside-down/", 0):
                    yield Hit(hit.index, hit.phrase, hit.view, Span(index, 0, len(part)))
            for inner in decoded(part):
                for hit in self._search([inner.text], f"{outer}{inner.view}/", depth - 1):
                    yield Hit(hit.index, hit.phrase, hit.view, Span(index, inner.start, inner.end))

    def _hits(  # noqa: PLR0913, PLR0917 -- what a view found, and how to judge it
        self,
        parts: Sequence[str],
        folded: Folded,
        view: str,
        outer: str,
        matches: Iterable[Match],
        accept: Callable[[Sequence[str], Folded, Match], bool] | None = None,
    ) -> Iterator[Hit]:
        doubtful: list[Match] = []
        for match in matches:
            if accept is not None and not accept(parts, folded, match):
                continue
            if match.phrase.doubtful:
                doubtful.append(match)
            else:
                yield from self._of(parts, folded, view, outer, match, match.phrase.banned)
        covers = _covers(doubtful, folded)
        for match in doubtful:
            uncovered = {
                index
                for index in match.phrase.banned
                if index not in covers or not covers[index].holds(match.start, match.end)
            }
            yield from self._of(parts, folded, view, outer, match, uncovered)

    def _of(  # noqa: PLR0913, PLR0917
        self,
        parts: Sequence[str],
        folded: Folded,
        view: str,
        outer: str,
        match: Match,
        indexes: Iterable[int],
    ) -> Iterator[Hit]:
        for index in indexes:
            if index in match.phrase.by_language and not self._counts(parts, folded, match, index):
                continue
            span = folded.locate(match.start, match.end)
            yield Hit(index, match.phrase.text, f"{outer}{view}", span)

    def _counts(self, parts: Sequence[str], folded: Folded, match: Match, index: int) -> bool:
        """Tell whether the phrase counts in the language of its sentence."""
        words = self._lists[index]
        sentence, others = _sentence(parts, folded, match)
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

    def _looks_alike(self, parts: Sequence[str], folded: Folded, match: Match) -> bool:
        """Tell whether a word without accents and look-alikes is what its writer meant."""
        span = folded.locate(match.start, match.end)
        written = parts[span.part][span.start : span.end]
        letters = [char for char in written if char.isalpha()]
        if not match.phrase.text.isascii():
            # Latin letters alone are no Russian word, whatever they look like.
            return any(_script(char) != "LATIN" for char in letters)
        if written.isascii():
            return False  # the plain view has judged it
        scripts = {_script(char) for char in letters}
        if scripts <= {"LATIN"}:
            return not letters or self._is_of_the_language(parts, folded, match)
        if "LATIN" in scripts or len(scripts) > 1:
            return True
        # One foreign script alone: its own word, unless the text around it is Latin.
        around = language.sentence_around(parts[span.part], span.start, span.end)
        others = [_script(char) for char in around.replace(written, " ") if char.isalpha()]
        if not others:
            return not (scripts <= _SPOKEN and any(map(is_loose, letters)))
        return others.count("LATIN") * 2 > len(others)

    def _is_of_the_language(self, parts: Sequence[str], folded: Folded, match: Match) -> bool:
        """Tell whether the sentence may be English, for which the disguises were made."""
        # A disguised word speaks for no language, and a sentence needs some words to speak for one.
        _, others = _sentence(parts, folded, match)
        if sum(len(word) > 1 for word in others.split()) < _MIN_WORDS:
            return True
        likely = language.likely(others)
        return likely.get("en", 0) >= _POSSIBLE or max(likely.values(), default=0) < _SURE

    @staticmethod
    def _is_ascii(parts: Sequence[str], folded: Folded, match: Match) -> bool:
        del parts
        return folded.text[match.start : match.end].isascii()


def _sentence(parts: Sequence[str], folded: Folded, match: Match) -> tuple[str, str]:
    """Return the sentence that a match stands in, with the matched words and without."""
    span = folded.locate(match.start, match.end)
    part = parts[span.part]
    around = language.sentence_around(part, span.start, span.end)
    return around, around.replace(part[span.start : span.end], " ")


def _script(char: str) -> str:
    return unicodedata.name(char, "").partition(" ")[0]


def _covers(matches: Iterable[Match], folded: Folded) -> "dict[int, _Cover]":
    spans: dict[int, list[tuple[int, int]]] = {}
    for phrase, start, end in matches:
        if phrase.excepted and not folded.crosses_seam(start, end):
            for index in phrase.excepted:
                spans.setdefault(index, []).append((start, end))
    return {index: _Cover(found) for index, found in spans.items()}


class _Cover:
    """The places of a list's exceptions in a text; a text can be made of nothing else, so it is searched."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        ordered = sorted(spans)
        self._starts = [start for start, _ in ordered]
        self._ends = list(accumulate((end for _, end in ordered), max))

    def holds(self, start: int, end: int) -> bool:
        """Tell whether one of them holds the whole of ``start`` to ``end``."""
        before = bisect_right(self._starts, start)
        return before > 0 and self._ends[before - 1] >= end
