"""Scores a text: for each head, how sure it is that its worst window asks for what the head knows."""

from functools import cache
from math import exp, sqrt

from stile_filter.guard.trained.disguises import undisguised
from stile_filter.guard.trained.features import (
    character_rows,
    fold,
    lexicon_rows,
    sentences,
    word_rows,
)
from stile_filter.guard.trained.lexicon import Lexicon, load_lexicon
from stile_filter.guard.trained.weights import ZERO, Weights, load_weights
from stile_filter.guard.trained.windows import allowance, windows

_LOWEST = -30.0
"""Log-odds; exp() would overflow far below."""


class Heads:
    """All heads over one table; nothing of a text is kept."""

    def __init__(self, weights: Weights, lexicon: Lexicon) -> None:
        self.names = weights.heads
        self._weights = weights
        self._lexicon = lexicon
        self._width = len(weights.heads)
        # The scanners of a process ask for the same text one after the other.
        self._last: tuple[str, dict[str, float]] | None = None

    def scores(self, text: str) -> dict[str, float]:
        """Return each head's score of ``text``, 0 to 1; above 0.5 lie as few harmless texts as promised."""
        if self._last is None or self._last[0] != text:
            self._last = text, self._scores(text)
        return self._last[1]

    def _scores(self, text: str) -> dict[str, float]:
        parts = list(sentences(fold(undisguised(text, self._lexicon.known))))
        if not parts:
            return dict.fromkeys(self.names, 0.0)
        of_word: dict[str, bytes] = {}
        sums, counts, lexical = [], [], []
        for part in parts:
            sum_, count = self._ngrams(part.words, of_word)
            sums.append(sum_)
            counts.append(count)
            lexical.append(lexicon_rows(self._lexicon.classes_of(part.words)))
        worst = [_LOWEST] * self._width
        count = 0
        for start, end in windows([part.characters for part in parts]):
            count += 1
            if end - start == 1:
                score = self._score(sums[start], counts[start], lexical[start])
            else:
                together = [sum(lane) for lane in zip(*sums[start:end], strict=True)]
                score = self._score(together, sum(counts[start:end]), set().union(*lexical[start:end]))
            worst = list(map(max, worst, score))
        less = allowance(count)
        return {name: 1 / (1 + exp(less - score)) for name, score in zip(self.names, worst, strict=True)}

    def _ngrams(self, words: list[str], of_word: dict[str, bytes]) -> tuple[list[int], int]:
        """Return the sum of a sentence's n-grams, head by head, and how many they are."""
        width, table = self._width, self._weights.table
        found = [table[row * width : row * width + width] for row in word_rows(words)]
        for word in words:
            known = of_word.get(word)
            if known is None:
                rows = character_rows(word)
                known = of_word[word] = b"".join([table[row * width : row * width + width] for row in rows])
            found.append(known)
        return self._sum(b"".join(found))

    def _sum(self, joined: bytes) -> tuple[list[int], int]:
        width = self._width
        count = len(joined) // width
        zero = ZERO * count
        return [sum(joined[lane::width]) - zero for lane in range(width)], count

    def _score(self, ngrams: list[int], count: int, lexical: set[int]) -> list[float]:
        """Return a window's log-odds, head by head."""
        width, weights = self._width, self._weights
        table = weights.table
        words, _ = self._sum(b"".join([table[row * width : row * width + width] for row in lexical]))
        norm = sqrt(count)
        return [
            bias + ngram_scale * ngram / norm + lexicon_scale * word
            for bias, ngram_scale, ngram, lexicon_scale, word in zip(
                weights.biases, weights.ngram_scales, ngrams, weights.lexicon_scales, words, strict=True
            )
        ]


@cache
def load_heads() -> Heads:
    """Read what ships, once for all scanners of a process.

    Raises:
        WeightsError: the weights are missing or damaged.
    """
    return Heads(load_weights(), load_lexicon())
