"""Scores a text: for each head, how sure it is that its worst window asks for what the head knows."""

from collections.abc import Sequence
from math import exp, sqrt

from stile_filter.guard.trained.features import (
    character_rows,
    fold,
    lexicon_rows,
    sentences,
    word_rows,
)
from stile_filter.guard.trained.lexicon import Lexicon, load_lexicon
from stile_filter.guard.trained.weights import ZERO, Weights, load_weights
from stile_filter.guard.trained.windows import windows


class Heads:
    """All heads over one table; nothing of a text is kept."""

    def __init__(self, weights: Weights, lexicon: Lexicon) -> None:
        self.names = weights.heads
        self.thresholds = weights.thresholds
        self._weights = weights
        self._lexicon = lexicon
        self._width = len(weights.heads)

    def scores(self, text: str) -> dict[str, float]:
        """Return each head's score of ``text``, 0 to 1; 0 for a text without words."""
        parts = list(sentences(fold(text)))
        by_word: dict[str, tuple[list[int], int]] = {}
        sums: list[list[int]] = []
        counts: list[int] = []
        lexical: list[set[int]] = []
        for part in parts:
            rows = word_rows(part.words)
            sum_, count = self._sum(rows), len(rows)
            vectors = [sum_]
            for word in part.words:
                known = by_word.get(word)
                if known is None:
                    rows = character_rows(word)
                    known = by_word[word] = self._sum(rows), len(rows)
                vectors.append(known[0])
                count += known[1]
            sums.append([sum(lane) for lane in zip(*vectors, strict=True)])
            counts.append(count)
            lexical.append(lexicon_rows(self._lexicon.classes_of(part.words)))
        best = [float("-inf")] * self._width
        for start, end in windows([part.characters for part in parts]):
            for lane, score in enumerate(self._score(sums[start:end], counts[start:end], lexical[start:end])):
                best[lane] = max(best[lane], score)
        return {name: 1 / (1 + exp(-max(score, -30.0))) for name, score in zip(self.names, best, strict=True)}

    def _score(self, sums: Sequence[list[int]], counts: Sequence[int], lexical: Sequence[set[int]]) -> list[float]:
        weights = self._weights
        ngrams = sums[0] if len(sums) == 1 else [sum(lane) for lane in zip(*sums, strict=True)]
        norm = sqrt(sum(counts) or 1)
        lexicon = self._sum(list(lexical[0] if len(lexical) == 1 else set().union(*lexical)))
        return [
            bias + ngram_scale * ngram / norm + lexicon_scale * word
            for bias, ngram_scale, ngram, lexicon_scale, word in zip(
                weights.biases, weights.ngram_scales, ngrams, weights.lexicon_scales, lexicon, strict=True
            )
        ]

    def _sum(self, rows: list[int]) -> list[int]:
        """Return the sum of some rows, head by head."""
        width, table = self._width, self._weights.table
        joined = b"".join([table[row * width : row * width + width] for row in rows])
        zero = ZERO * len(rows)
        return [sum(joined[lane::width]) - zero for lane in range(width)]


def load_heads() -> Heads:
    """Read what ships.

    Raises:
        WeightsError: the weights are missing or damaged.
    """
    return Heads(load_weights(), load_lexicon())
