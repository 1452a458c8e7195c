"""Layer 1: every keyword list at once, over the text as it is meant."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import accumulate

from stile_filter.guard.keywords import decoding
from stile_filter.guard.keywords.fold import Folded, Span, plain, skeleton, skeletons
from stile_filter.guard.keywords.judge import Judge
from stile_filter.guard.keywords.phrases import (
    Automaton,
    Everyday,
    Match,
    Phrases,
    WholeWords,
    compiled,
)
from stile_filter.guard.keywords.shape import Shape
from stile_filter.guard.keywords.views.forms import Stretched, turned_forms, upright
from stile_filter.guard.keywords.views.leet import Leet
from stile_filter.guard.keywords.views.pieces import Spelled, Split

_DEPTH = 3
"""How often a text that was decoded is decoded again."""

_EDGE_CHARS = 256
"""Of each part, what lies so near to the next one that a phrase may cross."""
_CUT = "\ue000" * 8
"""Put for the middle of a long part; no phrase and no disguise reaches over it."""

_Accept = Callable[[Folded, Match], bool]


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
    crosses: bool
    """Whether it lies in more than one part."""


class KeywordMatcher:
    """Finds which lists a text has phrases of.

    Args:
        lists: the phrases of each list.
        everyday: words that may stand beside one another, whatever they are put together.
    """

    def __init__(self, lists: Sequence[Phrases], everyday: Everyday = frozenset()) -> None:
        self._patterns = _Patterns(lists, everyday)

    def find(self, *parts: str) -> set[int]:
        """Return the indexes of the lists that a text has a phrase of.

        Args:
            parts: the text, as it was written apart: a phrase may lie across two parts, an exception not.
        """
        return {hit.index for hit in _Search(self._patterns, set()).hits(parts)}

    def find_across(self, *parts: str) -> set[int]:
        """Return the indexes of the lists that have a phrase across two parts or more; see ``find``."""
        if len(parts) == 1:
            return set()
        near = [_edges(part) for part in parts]
        # What is decoded was written in one part.
        return {hit.index for hit in _Search(self._patterns, None).hits(near, depth=0) if hit.crosses}

    def view(self, index: int, *parts: str) -> str | None:
        """Return in which view a text has a phrase of the list ``index``, if it has one; see ``find``."""
        return next((hit.view for hit in self.hits(*parts) if hit.index == index), None)

    def hits(self, *parts: str) -> Iterator[Hit]:
        """Yield where a text has phrases, and in which view; see ``find``.

        A place may be found in several views; one view of it is enough.
        """
        yield from _Search(self._patterns, None).hits(parts)


class _Patterns:
    """What is looked for, in each way of reading a text."""

    def __init__(self, lists: Sequence[Phrases], everyday: Everyday) -> None:
        phrases = compiled(lists, plain)
        leet = Leet(phrases)
        self.lists = lists
        self.everyday = everyday
        self.words = WholeWords(
            Automaton((phrase.text, phrase) for phrase in phrases),
            Automaton(turned_forms(phrases, everyday)),
        )
        self.skeletons = WholeWords(
            Automaton((form, phrase) for phrase in phrases if (form := skeleton(phrase.text)))
        )
        self.views = (leet, Stretched(phrases), Spelled(leet), Split(phrases, everyday))


class _Search:
    """One search.

    Args:
        patterns: what to look for.
        found: lists that were found, of which no more need be found; None: every place is wanted.
    """

    def __init__(self, patterns: _Patterns, found: set[int] | None) -> None:
        self._patterns = patterns
        self._found = found
        self._judge = Judge(patterns.lists, patterns.everyday)

    def hits(self, parts: Sequence[str], outer: str = "", depth: int = _DEPTH) -> Iterator[Hit]:
        """Yield the hits in a text, which was decoded from the ``outer`` views."""
        patterns, judge = self._patterns, self._judge
        folded = Folded(parts, plain)
        plainly, turned = patterns.words.matches(folded.text)
        yield from self._of(folded, f"{outer}plain", plainly)
        text = folded
        if not all(map(str.isascii, parts)):
            for fold in skeletons(parts):
                looked = Folded(parts, fold)
                [matches] = patterns.skeletons.matches(looked.text)
                yield from self._of(looked, f"{outer}look-alikes", matches, judge.looks_alike)
                text = looked if fold is skeleton else text
        yield from self._of(folded, f"{outer}turned", turned, judge.may_be_english)
        shape = Shape(text.text)
        for view in patterns.views:
            found = view.matches(text.text, shape)
            yield from self._of(text, outer + view.name, found, judge.may_be_english)
        if depth:
            yield from self._decoded(parts, outer, depth - 1)

    def _decoded(self, parts: Sequence[str], outer: str, depth: int) -> Iterator[Hit]:
        for index, part in enumerate(parts):
            whole = Span(index, 0, len(part))
            if (turned := upright(part)) is not None:
                for hit in self.hits([turned], f"{outer}upside-down/", 0):
                    yield replace(hit, span=whole)
            if (read := decoding.rewritten(part)) is not None:
                for hit in self.hits([read[1]], f"{outer}{read[0]}/", depth):
                    yield replace(hit, span=whole)
        words = [(index, word) for index, part in enumerate(parts) for word in decoding.words(part)]
        if words:
            for hit in self.hits([word.text for _, word in words], outer, depth):
                index, word = words[hit.span.part]
                view = f"{outer}{word.view}/{hit.view.removeprefix(outer)}"
                yield replace(hit, view=view, span=Span(index, word.start, word.end), crosses=False)

    def _of(
        self, folded: Folded, view: str, matches: Iterable[Match], accept: _Accept | None = None
    ) -> Iterator[Hit]:
        doubtful: list[Match] = []
        for match in matches:
            phrase = match.phrase
            if not phrase.excepted and self._is_known(phrase.banned):
                continue
            if accept is not None and not accept(folded, match):
                continue
            if phrase.doubtful:
                doubtful.append(match)
            else:
                yield from self._counted(folded, view, match, phrase.banned)
        if not doubtful:
            return
        covers = _covers(doubtful, folded)
        for match in doubtful:
            uncovered = {
                index
                for index in match.phrase.banned
                if index not in covers or not covers[index].holds(match.start, match.end)
            }
            if not self._is_known(uncovered):
                yield from self._counted(folded, view, match, uncovered)

    def _is_known(self, indexes: AbstractSet[int]) -> bool:
        return self._found is not None and indexes <= self._found

    def _counted(self, folded: Folded, view: str, match: Match, indexes: AbstractSet[int]) -> Iterator[Hit]:
        for index in indexes:
            if index in match.phrase.by_language and not self._judge.is_in_language(folded, match, index):
                continue
            if index in match.phrase.named and self._judge.is_name(folded, match):
                continue
            if self._found is not None:
                self._found.add(index)
            span = folded.locate(match.start, match.end)
            crosses = folded.crosses_seam(match.start, match.end)
            yield Hit(index, match.phrase.text, view, span, crosses)


def _edges(part: str) -> str:
    if len(part) <= 2 * _EDGE_CHARS:
        return part
    return f"{part[:_EDGE_CHARS]}{_CUT}{part[-_EDGE_CHARS:]}"


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
