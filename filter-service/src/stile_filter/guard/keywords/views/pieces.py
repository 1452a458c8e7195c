"""A word in pieces: its letters apart, or cut in two or three."""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise

from stile_filter.guard.keywords.phrases import SHORT, Automaton, Everyday, Match, Phrase
from stile_filter.guard.keywords.shape import Shape, bare, places, token_at
from stile_filter.guard.keywords.tables import Table
from stile_filter.guard.keywords.views.leet import Leet, leet_class

_SPELLED = re.compile(r"[^\W_](?:[\W_]{1,4}[^\W_](?![^\W_])){2,}")
_GAP = re.compile(r"[\W_]+")


class Spelled:
    """Single letters with something between: ``s h i t``, ``s.h.i.t``."""

    name = "spelled"

    def __init__(self, leet: Leet) -> None:
        self._words = leet.automaton

    def matches(self, text: str, shape: Shape) -> Iterator[Match]:
        """Yield the words that are written so."""
        done = -1
        for at in sorted(shape.spelled()):
            if at >= done and (found := _SPELLED.match(text, at)):
                done = found.end()
                for start, end in _words_of(found[0]):
                    yield from self._in_run(found[0], start, end, at)

    def _in_run(self, run: str, start: int, end: int, offset: int) -> Iterator[Match]:
        spots = [at for at in range(start, end) if run[at].isalnum()]
        if sum(run[at].isalpha() for at in spots) * 5 < len(spots):
            return  # numbers
        letters = leet_class("".join(run[at] for at in spots))
        for phrase, first, last in self._words.anywhere(letters):
            word = phrase.text
            # A short one counts if it is all that is spelled, unless it may be the names of notes.
            if len(word) <= SHORT and (len(letters) > len(word) or set(word) <= set("abcdefg")):
                continue
            yield Match(phrase, offset + spots[first], offset + spots[last - 1] + 1)


def _words_of(run: str) -> Iterator[tuple[int, int]]:
    """Cut a run of single letters at the gaps that are longer than the most frequent one."""
    gaps = list(_GAP.finditer(run))
    usual = Counter(len(gap[0]) for gap in gaps).most_common(1)[0][0]
    ends = [0, *(gap.end() for gap in gaps if len(gap[0]) > usual), len(run)]
    yield from pairwise(ends)


_PIECES = re.compile(r"[^\W_]+")
_WORDS = re.compile(r"[\w'’]+")  # noqa: RUF001


class Split:
    """A word in two or three pieces: ``sh it``, ``sh-it``, over a line's end or two messages."""

    name = "split"

    def __init__(self, phrases: Iterable[Phrase], everyday: Everyday) -> None:
        known = list(phrases)
        self._everyday = everyday
        self._excepted = {phrase.text for phrase in known if phrase.excepted}
        self._words = Automaton(
            (phrase.text, phrase)
            for phrase in known
            if phrase.is_word and phrase.banned and len(phrase.text) > SHORT
        )

    def matches(self, text: str, shape: Shape) -> Iterator[Match]:
        """Yield the words that are written so."""
        del shape
        yield from self._around_apostrophes(text)
        solid = _SOLID(text)
        matches = _of_words(text, solid, list(self._words.anywhere(solid)))
        if not matches:
            return
        spans = [word.span() for word in _WORDS.finditer(text.replace("_", " "))]
        ends = [0, *accumulate(end - start for start, end in spans)]
        for phrase, start, end in matches:
            at, last = bisect_right(ends, start) - 1, bisect_left(ends, end) - 1
            if at < last and ends[at] == start and ends[last + 1] == end:
                first, behind = spans[at][0], spans[last][1]
                if self._is_split(text, first, behind):
                    yield Match(phrase, first, behind)

    def _around_apostrophes(self, text: str) -> Iterator[Match]:
        done = -1
        for at in places(text, "'"):
            if at < done:
                continue
            start, done = token_at(text, at)
            first, last = bare(text, start, done)
            token = text[first:last]
            phrase = self._words[token.replace("'", "")]
            if phrase is not None and "'" in token and token.rpartition("'")[2] not in _CONTRACTED:
                yield Match(phrase, first, last)

    def _is_split(self, text: str, start: int, end: int) -> bool:
        if _BREAK.search(text, start, end):
            return False
        pieces = _PIECES.findall(text, start, end)
        if all(len(piece) == 1 for piece in pieces):
            return False  # spelled, which has its own rules
        if " ".join(pieces) in self._excepted:
            return False
        # "this hit", "ben's hit": a single letter beside a word may be anything.
        return not all(piece in self._everyday or len(piece) == 1 for piece in pieces)


def _of_words(text: str, solid: str, matches: list[Match]) -> list[Match]:
    """Leave out most of the matches that begin or end within a word, or are one: "peacock", "this hit"."""
    # As often as the word stands in one piece, it is in no pieces there.
    counts = Counter(match.phrase.text for match in matches)
    whole = {word for word, count in counts.items() if text.count(word) == count}
    matches = [match for match in matches if match.phrase.text not in whole]
    if not matches:
        return matches
    # ``title`` puts a capital at the beginning of each word, and after a digit or an apostrophe.
    titled = _SOLID(text.title())
    if len(titled) != len(solid):
        return matches
    return [
        match
        for match in matches
        if titled[match.start].isupper()
        and not titled[match.start + 1 : match.end].islower()
        and not titled[match.end : match.end + 1].islower()
    ]


_CONTRACTED = frozenset(("s", "t", "re", "ve", "ll", "d", "m"))
_BREAK = re.compile(r"[\W_]{5,}|\n\s*\n")


def _is_inner(char: str) -> bool:
    return char.isalnum() or char in "'’"  # noqa: RUF001


_SOLID = Table(lambda char: char if _is_inner(char) else None)
