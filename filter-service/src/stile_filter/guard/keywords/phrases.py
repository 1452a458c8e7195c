"""The phrases of the lists, and the automaton that searches for all of them at once."""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

from ahocorasick_rs import AhoCorasick, Implementation, MatchKind

# Han, kana, bopomofo, Thai, Lao, Myanmar, Khmer, Tibetan, Hangul: no spaces, or particles without a space.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029"
    "\u3040-\u318f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)


SHORT = 3
"""Words of up to so many letters stand by chance in codes and initials; less is taken for them."""

Everyday = Collection[str]
"""Words that people use every day, lower case."""


class Phrases(NamedTuple):
    """One list."""

    banned: Collection[str]
    """In any form; compared as ``fold.plain`` makes them."""
    excepted: Collection[str] = ()
    """What is no hit: ``moby dick`` in a list that bans ``dick``."""
    language: str | None = None
    """The list's language (ISO 639-1). Its phrases count only in sentences of it; None: in all."""
    ordinary: Mapping[str, Collection[str]] = {}
    """By language: what is an ordinary word there, so that it does not count in a sentence of it."""
    names: Collection[str] = ()
    """What is a name too: ``Dick Grayson``, ``Mr Cock``."""


Lists = frozenset[int]
"""Indexes of lists. Equal ones are one object: thousands of phrases have the same."""


@cache
def _shared(lists: Lists) -> Lists:
    return lists


@dataclass(slots=True)
class Phrase:
    """One phrase, and the lists that have it."""

    text: str
    """As ``fold.plain`` makes it."""
    banned: Lists = frozenset()
    excepted: Lists = frozenset()
    doubtful: bool = False
    """Whether a match may lie within an exception, or is one."""
    by_language: Lists = frozenset()
    """The lists for which the sentence's language decides."""
    named: Lists = frozenset()
    """The lists for which it may be a name."""

    @property
    def is_word(self) -> bool:
        """Whether it is one word of ASCII letters, which can be written in many ways."""
        return self.text.isascii() and self.text.isalpha()

    def absorb(self, other: "Phrase") -> None:
        """Take over the lists of a phrase that looks the same in a view."""
        self.banned = _shared(self.banned | other.banned)
        self.excepted = _shared(self.excepted | other.excepted)
        self.by_language = _shared(self.by_language | other.by_language)
        self.named = _shared(self.named | other.named)
        self.doubtful = self.doubtful or other.doubtful


class Match(NamedTuple):
    """Where a text has a phrase."""

    phrase: Phrase
    start: int
    end: int


def is_word(char: str) -> bool:
    """Tell whether ``char`` is part of a word in a script that puts spaces between words."""
    if char.isascii():
        return char.isalnum()
    if char.isalnum():
        return _UNSPACED.match(char) is None
    # Vowel signs belong to their word; a stroke laid over a letter (U+0336) does not make the word longer.
    return unicodedata.category(char) in {"Mn", "Mc"} and not "\u0300" <= char <= "\u036f"


class Automaton:
    """Finds phrases as one view writes them.

    Args:
        forms: what to search for, and the phrase that it stands for; equal forms are put together.
    """

    def __init__(self, forms: Iterable[tuple[str, Phrase]]) -> None:
        self._phrases: dict[str, Phrase] = {}
        for form, phrase in forms:
            known = self._phrases.get(form)
            if known is None:
                self._phrases[form] = Phrase(phrase.text)
                known = self._phrases[form]
            known.absorb(phrase)
        self._by_index = list(self._phrases.values())

    @cached_property
    def _automaton(self) -> AhoCorasick:
        return _searching(self._phrases)

    def __getitem__(self, form: str) -> Phrase | None:
        """Return the phrase of exactly this form."""
        return self._phrases.get(form)

    @property
    def forms(self) -> Mapping[str, Phrase]:
        """The phrase of each form."""
        return self._phrases

    def anywhere(self, text: str) -> Iterator[Match]:
        """Yield each place where a phrase stands, in the middle of a word too."""
        for index, start, end in self._automaton.find_matches_as_indexes(text, overlapping=True):
            yield Match(self._by_index[index], start, end)


class WholeWords:
    """Finds the phrases of several automata where they stand as whole words, in one look at a text.

    Args:
        automata: what to search for.
    """

    def __init__(self, *automata: Automaton) -> None:
        self._count = len(automata)
        self._forms = [
            (number, phrase, is_word(form[0]), is_word(form[-1]))
            for number, automaton in enumerate(automata)
            for form, phrase in automaton.forms.items()
        ]
        self._automaton = _searching(form for automaton in automata for form in automaton.forms)

    def matches(self, text: str) -> list[list[Match]]:
        """Return the matches of each automaton."""
        found: list[list[Match]] = [[] for _ in range(self._count)]
        for index, start, end in self._automaton.find_matches_as_indexes(text, overlapping=True):
            number, phrase, left, right = self._forms[index]
            if not (
                (left and start and is_word(text[start - 1]))
                or (right and end < len(text) and is_word(text[end]))
            ):
                found[number].append(Match(phrase, start, end))
        return found


def _searching(forms: Iterable[str]) -> AhoCorasick:
    # An empty automaton finds nothing. A DFA of the default lists takes 40 MB, and saves 4 us a KB of text.
    return AhoCorasick(list(forms), matchkind=MatchKind.Standard, implementation=Implementation.ContiguousNFA)


def compiled(lists: Iterable[Phrases], fold: Callable[[str], str]) -> list[Phrase]:
    """Put the lists together, each phrase once."""
    phrases: dict[str, Phrase] = {}
    for index, words in enumerate(lists):
        own = _shared(frozenset({index}))
        excepted = set(map(fold, words.excepted)) - {""}
        ordinary = {fold(word) for many in words.ordinary.values() for word in many}
        names = set(map(fold, words.names))
        for text in set(map(fold, words.banned)) - excepted - {""}:
            phrase = phrases.setdefault(text, Phrase(text))
            is_by_language = words.language is not None or text in ordinary
            phrase.absorb(
                Phrase(
                    text,
                    banned=own,
                    by_language=own if is_by_language else frozenset(),
                    named=own if text in names else frozenset(),
                )
            )
        for text in excepted:
            phrases.setdefault(text, Phrase(text)).absorb(Phrase(text, excepted=own))
    exceptions = [text for text, phrase in phrases.items() if phrase.excepted]
    for text, phrase in phrases.items():
        phrase.doubtful = any(text in exception for exception in exceptions)
    return list(phrases.values())
