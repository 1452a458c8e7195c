"""How a text is folded before it is compared: two forms, and the way back to the original.

``plain`` keeps every letter as it is: NFKC, case-folded, nothing invisible, single spaces. ``skeleton`` also
drops accents and gives each look-alike its Latin letter (Unicode TR39, by ``disarm``, and small tables for
what TR39 leaves out).
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache, partial
from itertools import accumulate
from typing import NamedTuple

import disarm

from stile_filter.guard.keywords.look_alikes import ALPHABETS, ENCLOSED, LOOSE, SMALL_CAPITALS
from stile_filter.guard.keywords.tables import Table

# Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt, 16.0), which nobody sees, and the control
# characters that are no whitespace.
_IGNORED = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f-\u1160\u17b4-\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)

_ASCII = Table(lambda char: None if _IGNORED.match(char) else " " if char.isspace() else char.lower())
"""The same for ASCII, with small letters and spaces."""

_MARKS = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1-\u05c2\u05c4-\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u3099-\u309a\ufe20-\ufe2f]"
)
"""Marks that a reader can leave out: of Latin, Greek, Cyrillic, Hebrew and Arabic letters, and kana. The
vowel signs of Indic scripts and Thai are letters to their readers, so they stay."""

_CHARACTER = re.compile(f"(?s).{_MARKS.pattern}*")
"""A letter and its marks, which may be one letter once they are folded."""

# Hangul filler and the like are ignorable; an empty Braille cell and U+115F are drawn as nothing.
_BLANK = {"\u2800", "\u115f", "\u1160", "\u3164", "\uffa0"}


def plain(text: str) -> str:
    """Return ``text`` as phrases are compared: NFKC, case-folded, nothing invisible, single spaces."""
    if text.isascii():
        folded = _ASCII(text)
        return " ".join(folded.split()) if "  " in folded else folded.strip(" ")
    # Folding can undo the normal form, so it is made again (Unicode's toNFKC_Casefold).
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(_IGNORED.sub("", folded).split())


def skeleton(text: str) -> str:
    """Return ``text`` without accents, with look-alikes as the Latin letters that they look like."""
    return " ".join(text.translate(_SKELETON).split())


def skeletons(parts: Sequence[str]) -> Iterator[Callable[[str], str]]:
    """Yield the ways to look at the parts: as TR39 does, and by the alphabets that they may be written in."""
    yield skeleton
    chars = {ord(char) for part in parts for char in set(part) if not char.isascii()}
    known = sorted((len(chars & alphabet.keys()), index) for index, alphabet in enumerate(ALPHABETS))
    for count, index in known[-_LIKELY:]:
        if count >= _MIN_CHARS:
            yield partial(_written_in, ALPHABETS[index])


_LIKELY = 2
"""So many alphabets are tried."""
_MIN_CHARS = 2
"""An alphabet is tried if the text has so many of its letters."""


def _written_in(alphabet: Mapping[int, str], text: str) -> str:
    return skeleton(text.translate(alphabet))


def is_loose(char: str) -> bool:
    """Tell whether ``char`` looks like its Latin letter only to a reader who wants it to."""
    return unicodedata.normalize("NFKD", char).casefold()[:1] in LOOSE


class _Skeleton(dict[int, str]):
    """The skeleton of each character, made when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = made = _skeleton_of(chr(code))
        return made


def _skeleton_of(char: str) -> str:
    if char.isascii():
        return "" if _IGNORED.match(char) else char.lower()
    if char in _BLANK or _IGNORED.match(char):
        return ""
    if enclosed := ENCLOSED.get(char) or SMALL_CAPITALS.get(char):
        return enclosed
    # Capitals first: a capital may have a look-alike that its small letter has not, and the other way round.
    for form in (char, char.casefold()):
        letters = _letters_of(form)
        if letters.isascii():
            return letters
    return _letters_of(char.casefold())


def _letters_of(char: str) -> str:
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", char))
    return "".join(
        letter.casefold() if letter.isascii() else _look_alike(letter)
        for letter in unicodedata.normalize("NFKC", bare)
    )


def _look_alike(letter: str) -> str:
    folded = disarm.normalize_confusables(letter)
    if folded.isascii():
        return folded.lower()
    return LOOSE.get(letter.casefold(), letter.casefold())


_SKELETON = _Skeleton()


class Span(NamedTuple):
    """A stretch of the original: ``parts[part][start:end]``."""

    part: int
    start: int
    end: int


class Folded:
    """Parts folded, with a space between.

    Args:
        parts: what was written apart.
        fold: how.
    """

    def __init__(self, parts: Iterable[str], fold: Callable[[str], str]) -> None:
        self.parts = tuple(parts)
        self._fold = fold
        self._forms = [fold(part) for part in self.parts]
        self._maps: dict[int, tuple[Sequence[int], Sequence[int]]] = {}
        self.text = " ".join(filter(None, self._forms))

    @cached_property
    def _indexes(self) -> list[int]:
        """The parts of which anything is left."""
        return [index for index, form in enumerate(self._forms) if form]

    @cached_property
    def _starts(self) -> list[int]:
        """Where each of them begins in the text."""
        return [0, *accumulate(len(self._forms[index]) + 1 for index in self._indexes[:-1])]

    @cached_property
    def seams(self) -> list[int]:
        """Where the spaces between two parts are."""
        return [start - 1 for start in self._starts[1:]]

    def crosses_seam(self, start: int, end: int) -> bool:
        """Tell whether a stretch of the text lies in two parts."""
        return bisect_right(self.seams, start) < bisect_left(self.seams, end)

    def locate(self, start: int, end: int) -> Span:
        """Find where a stretch of the text comes from; of one in two parts, what is in the first."""
        position = bisect_right(self._starts, start) - 1
        part, offset = self._indexes[position], self._starts[position]
        if part not in self._maps:
            self._maps[part] = self._map(self.parts[part])
        folded, written = self._maps[part]
        first = max(bisect_right(folded, start - offset) - 1, 0)
        behind = bisect_left(folded, end - offset, lo=first)
        last = written[behind] if behind < len(written) else len(self.parts[part])
        # The space before the next character is no part of it.
        last = written[first] + len(self.parts[part][written[first] : last].rstrip())
        return Span(part, written[first], max(last, written[first] + 1))

    def _map(self, source: str) -> tuple[Sequence[int], Sequence[int]]:
        """Return where each visible character begins, in the folded text and in the source."""
        if len(self._fold(source)) == len(source) and all(
            char.isspace() or _length(self._fold, char) == 1 for char in set(source)
        ):
            # Nothing is left out or put together, so each character is in its place.
            return range(len(source)), range(len(source))
        folded, written = [], []
        length, gap = 0, False
        for found in _CHARACTER.finditer(source):
            character = found[0]
            if size := _length(self._fold, character):
                length += gap and length > 0
                gap = False
                folded.append(length)
                written.append(found.start())
                length += size
            gap = gap or character.isspace()
        return folded, written


@lru_cache(8192)
def _length(fold: Callable[[str], str], character: str) -> int:
    return len(fold(character))
