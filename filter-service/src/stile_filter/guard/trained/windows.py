"""Cuts a text into the windows that are scored; the worst of them counts.

An instruction hidden in a long document would drown in it, so each sentence is a window by itself, and so are
runs of sentences that fit ``WINDOW`` characters, each half of which lies in the next as well.
"""

from collections.abc import Iterator, Sequence
from math import log

WINDOW = 320
"""Characters."""
SHORTEST = 12
"""Characters. A shorter sentence says too little to be judged alone."""

_ALLOWANCE = 0.7
_MOST_ALLOWED_FOR = 10
"""Windows; all that is measured on of one text."""


def allowance(count: int) -> float:
    """Return the log-odds to take from the worst of ``count`` windows: of more, the worst is worse by chance.

    The factor was chosen on sources that were left out of training.
    """
    return _ALLOWANCE * log(min(max(count, 1), _MOST_ALLOWED_FOR))


def windows(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the windows of a text as (first sentence, sentence behind the last).

    Args:
        sizes: how many characters each of its sentences has.
    """
    count = len(sizes)
    start, end = 0, 0
    while end < count:
        end, size = start, 0
        while end < count and (end == start or size + sizes[end] <= WINDOW):
            size += sizes[end]
            end += 1
        if end - start > 1 or count == 1 or size <= SHORTEST:
            yield start, end
        passed = 0
        while start < end - 1 and passed < WINDOW // 2:
            passed += sizes[start]
            start += 1
        if passed < WINDOW // 2:
            start = end
    if count > 1:
        yield from ((number, number + 1) for number in range(count) if sizes[number] > SHORTEST)
