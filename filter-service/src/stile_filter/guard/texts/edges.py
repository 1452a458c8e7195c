"""The edges of texts, for what lies across two of them."""

import re
from collections.abc import Iterable, Sequence

EDGE_CHARS = 512
"""So much is looked at on either side of the seam between two texts: at least half of it, if it can be cut
at the end of a sentence or word there."""

_SENTENCE_END = re.compile(r"[.!?\n\u3002\uff01\uff1f]\s*")


def beginning(parts: Iterable[str]) -> tuple[str, ...]:
    """Return the first characters of several texts, which end with a sentence or word if possible."""
    kept: list[str] = []
    left = EDGE_CHARS
    for part in parts:
        if len(part) >= left:
            return (*kept, _cut_behind(part[:left]) if len(part) > left else part)
        kept.append(part)
        left -= len(part)
    return tuple(kept)


def end(parts: Sequence[str]) -> tuple[str, ...]:
    """Return the last characters of several texts, which begin with a sentence or word if possible."""
    kept: list[str] = []
    left = EDGE_CHARS
    for part in reversed(parts):
        if len(part) >= left:
            kept.append(_cut_before(part[-left:]) if len(part) > left else part)
            break
        kept.append(part)
        left -= len(part)
    return tuple(reversed(kept))


def _cut_before(text: str) -> str:
    """Begin ``text`` with a sentence, or a word, if one begins in its first half."""
    half = len(text) // 2
    if found := _SENTENCE_END.search(text, 0, half):
        return text[found.end() :]
    return text[text.find(" ", 0, half) + 1 :]


def _cut_behind(text: str) -> str:
    """End ``text`` with a sentence, or a word, if one ends in its second half."""
    half = len(text) // 2
    last = max(text.rfind(mark, half) for mark in ".!?\n\u3002\uff01\uff1f")
    if last >= 0:
        return text[: last + 1]
    space = text.rfind(" ", half)
    return text[:space] if space >= 0 else text
