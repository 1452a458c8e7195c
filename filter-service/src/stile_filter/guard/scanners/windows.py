"""Cuts a text into overlapping windows that a model's tokenizer sees whole.

A classifier looks at its first 512 tokens or so and at nothing behind them. Each window here is checked with
the same tokenizer, so no token of the text goes unseen.
"""

from collections.abc import Sequence
from typing import Any, Protocol

OVERLAP = 0.25
"""How much of a window the next one repeats: what stands across a cut is whole in one of the two."""

_SHRINK = 0.8


class UnseenError(Exception):
    """The tokenizer can't be made to see all of the text."""


class Tokenizer(Protocol):
    """The part of a Hugging Face tokenizer that is used here."""

    is_fast: bool

    def __call__(self, text: str, **options: Any) -> Any:  # noqa: ANN401 -- its own type is a dict of many
        """Encode ``text``."""
        ...


def cut(text: str, tokenizer: Tokenizer, limit: int) -> list[str]:
    """Cut ``text`` into windows of at most ``limit`` tokens, special tokens included.

    Returns:
        The windows, in order; the text itself if it fits. Every character is in one of them, and each but
        the first begins before the one before it ends.

    Raises:
        UnseenError: a window can't be made small enough, or the tokenizer tells no offsets.
    """
    if _length(text, tokenizer) <= limit:
        return [text]
    if not tokenizer.is_fast:
        raise UnseenError("the tokenizer tells no offsets")
    size = limit - _length("", tokenizer)
    while size >= 1:
        windows = _windows(text, _starts(text, tokenizer), size)
        if all(_length(window, tokenizer) <= limit for window in windows):
            return windows
        # A cut inside a word can make more tokens of its halves than it had.
        size = int(size * _SHRINK)
    raise UnseenError("the text has parts that make more tokens than the model takes")


def _windows(text: str, starts: Sequence[int], size: int) -> list[str]:
    step = max(1, int(size * (1 - OVERLAP)))
    windows = []
    first = 0
    while True:
        # The last window is as long as the others: of a short rest a model knows little.
        first = min(first, max(0, len(starts) - size))
        last = first + size
        begin = 0 if first == 0 else starts[first]
        end = len(text) if last >= len(starts) else starts[last]
        windows.append(text[begin:end])
        if last >= len(starts):
            return windows
        first += step


def _starts(text: str, tokenizer: Tokenizer) -> list[int]:
    encoded = tokenizer(
        text, add_special_tokens=False, truncation=False, return_offsets_mapping=True, verbose=False
    )
    # Characters that make no token (spaces, what a normaliser drops) belong to the token before them.
    starts: list[int] = []
    for begin, _ in encoded["offset_mapping"]:
        starts.append(max(begin, starts[-1]) if starts else begin)
    return starts


def _length(text: str, tokenizer: Tokenizer) -> int:
    return len(tokenizer(text, add_special_tokens=True, truncation=False, verbose=False)["input_ids"])
