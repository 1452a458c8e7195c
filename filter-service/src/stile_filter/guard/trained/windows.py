"""Cuts a text into the windows that are scored; the worst of them counts.

An instruction hidden in a long document would drown in it, so each sentence is a window by itself, and so is
each run of sentences that fits ``WINDOW`` characters.
"""

from collections.abc import Iterator, Sequence

WINDOW = 320
"""Characters."""


def windows(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the windows of a text as (first sentence, sentence behind the last).

    Args:
        sizes: how many characters each of its sentences has.
    """
    count = len(sizes)
    if sum(sizes) <= WINDOW:
        yield 0, count
    else:
        end, size = 0, 0
        for start in range(count):
            while end < count and (size + sizes[end] <= WINDOW or end == start):
                size += sizes[end]
                end += 1
            yield start, end
            if end == count:
                break
            size -= sizes[start]
    if count > 1:
        yield from ((number, number + 1) for number in range(count) if sizes[number] > SHORTEST)


SHORTEST = 12
"""Characters. A shorter sentence says too little to be judged alone."""
