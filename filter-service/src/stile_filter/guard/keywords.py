"""Layer 1: every keyword list at once, in one automaton over normalised text.

A phrase matches whole words only, whatever its case, its width (fullwidth letters), invisible characters in
it, and the whitespace between its words. Scripts written without spaces between words (Chinese, Japanese,
Thai and others), and Korean, whose particles are written onto the word, have no such boundary: there a
phrase matches anywhere.
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

from ahocorasick_rs import AhoCorasick, Implementation, MatchKind

# Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt, 16.0), which nobody sees, and the control
# characters that are no whitespace.
_IGNORED = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f-\u1160\u17b4-\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)

_NO_CONTROLS = dict.fromkeys([*range(0x09), *range(0x0E, 0x1C), 0x7F])
"""The part of the above that is ASCII; ten times faster."""

# Han, kana, bopomofo, Thai, Lao, Myanmar, Khmer, Tibetan, Hangul: no spaces, or particles without a space.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029"
    "\u3040-\u318f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)


_Match = tuple[int, int, int]
"""A pattern's index, where it begins, and where it ends."""


@dataclass(slots=True)
class _Owners:
    """The lists that ban a phrase, and those that except it."""

    banned: set[int] = field(default_factory=set)
    excepted: set[int] = field(default_factory=set)
    doubtful: bool = False
    """Whether a match may lie within an exception, or is one."""


def normalise(text: str) -> str:
    """Return ``text`` as phrases are compared: NFKC, case-folded, nothing invisible, single spaces."""
    if text.isascii():
        folded = text.lower().translate(_NO_CONTROLS)
    else:
        # Folding can undo the normal form, so it is made again (Unicode's toNFKC_Casefold).
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        folded = _IGNORED.sub("", folded)
    return " ".join(folded.split())


def _join(parts: Iterable[str]) -> tuple[str, list[int]]:
    """Return the parts normalised with a space between, and where those spaces are."""
    normal = [part for part in map(normalise, parts) if part]
    ends = accumulate(len(part) + 1 for part in normal[:-1])
    return " ".join(normal), [end - 1 for end in ends]


def is_word(char: str) -> bool:
    """Tell whether ``char`` is part of a word in a script that puts spaces between words."""
    if char.isalnum():
        return _UNSPACED.match(char) is None
    # Vowel signs belong to their word; a stroke laid over a letter (U+0336) does not make the word longer.
    return unicodedata.category(char) in {"Mn", "Mc"} and not "\u0300" <= char <= "\u036f"


class Phrases(NamedTuple):
    """One list."""

    banned: Collection[str]
    """In any form; compared as ``normalise`` makes them."""
    excepted: Collection[str] = ()
    """What is no hit where it stands: ``moby dick`` in a list that bans ``dick``."""


class KeywordMatcher:
    """Finds which lists a text has phrases of.

    Args:
        lists: the phrases of each list.
    """

    def __init__(self, lists: Sequence[Phrases]) -> None:
        patterns: dict[str, _Owners] = {}
        for index, phrases in enumerate(lists):
            excepted = set(map(normalise, phrases.excepted)) - {""}
            for phrase in set(map(normalise, phrases.banned)) - excepted - {""}:
                patterns.setdefault(phrase, _Owners()).banned.add(index)
            for phrase in excepted:
                patterns.setdefault(phrase, _Owners()).excepted.add(index)
        exceptions = [phrase for phrase, owners in patterns.items() if owners.excepted]
        for phrase, owners in patterns.items():
            owners.doubtful = any(phrase in exception for exception in exceptions)
        self._owners = list(patterns.values())
        self._bounds = [(is_word(phrase[0]), is_word(phrase[-1])) for phrase in patterns]
        # An empty automaton finds nothing.
        self._automaton = AhoCorasick(
            list(patterns), matchkind=MatchKind.Standard, implementation=Implementation.DFA
        )

    def find(self, *parts: str) -> set[int]:
        """Return the indexes of the lists that a text has a phrase of.

        Args:
            parts: the text, as it was written apart: a phrase may lie across two parts, an exception not.
        """
        normal, seams = _join(parts)
        found: set[int] = set()
        doubtful: list[_Match] = []
        for match in self._automaton.find_matches_as_indexes(normal, overlapping=True):
            owners = self._owners[match[0]]
            if not owners.excepted and owners.banned <= found:
                continue
            if self._whole(normal, *match):
                if owners.doubtful:
                    doubtful.append(match)
                else:
                    found |= owners.banned
        return found | self._uncovered(doubtful, seams) if doubtful else found

    def _uncovered(self, matches: Sequence[_Match], seams: Sequence[int]) -> set[int]:
        covers = self._covers(matches, seams)
        return {
            index
            for pattern, start, end in matches
            for index in self._owners[pattern].banned
            if index not in covers or not covers[index].hold(start, end)
        }

    def _covers(self, matches: Iterable[_Match], seams: Sequence[int]) -> "dict[int, _Cover]":
        spans: dict[int, list[tuple[int, int]]] = {}
        for pattern, start, end in matches:
            if bisect_right(seams, start) < bisect_left(seams, end):
                continue
            for index in self._owners[pattern].excepted:
                spans.setdefault(index, []).append((start, end))
        return {index: _Cover(found) for index, found in spans.items()}

    def _whole(self, normal: str, pattern: int, start: int, end: int) -> bool:
        left, right = self._bounds[pattern]
        return not (
            (left and start and is_word(normal[start - 1]))
            or (right and end < len(normal) and is_word(normal[end]))
        )


class _Cover:
    """The places of a list's exceptions in a text; a text can be made of nothing else, so it is searched."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        ordered = sorted(spans)
        self._starts = [start for start, _ in ordered]
        self._ends = list(accumulate((end for _, end in ordered), max))

    def hold(self, start: int, end: int) -> bool:
        """Tell whether one of them holds the whole of ``start`` to ``end``."""
        before = bisect_right(self._starts, start)
        return before > 0 and self._ends[before - 1] >= end
