"""Words written as the codes of their characters: hex, binary, decimal, places in the alphabet."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from stile_filter.guard.keywords.shape import places
from stile_filter.guard.keywords.tables import Table

_MIN_LETTERS = 3
"""Shorter texts hold no phrase that is worth hiding."""


class Word(NamedTuple):
    """What was read, and where it was written."""

    view: str
    text: str
    start: int
    end: int


def readable(raw: bytes) -> str | None:
    """Return text if the bytes are text, in UTF-8 or UTF-16; else None."""
    if raw.count(0) * 2 >= len(raw) > 0:
        raw = raw.replace(b"\0", b"")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    if sum(map(str.isalpha, text)) < _MIN_LETTERS:
        return None
    return text if all(char.isprintable() or char.isspace() for char in text) else None


# Possessive, as a group can be cut in many ways and none of the others would do better.
_NUMBERS = re.compile(r"[0-9A-Fa-f]++(?:[\s:,;/_-]{1,2}+[0-9A-Fa-f]++)*+(?![0-9A-Za-z])")
_BETWEEN = re.compile(r"[^0-9A-Fa-f]+")
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_MIN_WRITTEN = 5
"""The fewest characters of a word of three letters: ``1 2 3``."""
_MAX_DIGITS = 3
"""Of a decimal code."""


def numbers(text: str) -> Iterator[Word]:
    """Yield the words that are written in codes of characters."""
    done = 0
    for digit in places(_DIGITS(text), "1"):
        if digit < done:
            continue
        start = digit
        while start > done and text[start - 1] in _HEX_DIGITS:
            start -= 1
        found = _NUMBERS.match(text, start) if not start or not text[start - 1].isalnum() else None
        if found is None:
            # Part of another word: none of its digits begins one.
            done = digit + 1
            while done < len(text) and text[done] in _HEX_DIGITS:
                done += 1
            continue
        done = found.end()
        if done - start < _MIN_WRITTEN:
            continue
        groups = _BETWEEN.split(found[0])
        for view, reader in (("hex", _hex), ("binary", _binary), ("codes", _codes)):
            if read := reader(groups):
                yield Word(view, read, start, done)


_DIGITS = Table(lambda char: "1" if "0" <= char <= "9" else " ", foreign=False)


def _hex(groups: list[str]) -> str | None:
    if any(len(group) % 2 for group in groups):
        return None
    return readable(bytes.fromhex("".join(groups)))


def _binary(groups: list[str]) -> str | None:
    digits = "".join(groups)
    if {*digits} - {*"01"}:
        return None
    for width in (8, 7):
        cut = [digits[at : at + width] for at in range(0, len(digits) - width + 1, width)]
        if len(digits) % width == 0 and (read := readable(bytes(int(each, 2) for each in cut))):
            return read
    return None


def _codes(groups: list[str]) -> str | None:
    if len(groups) < _MIN_LETTERS or not all(
        group.isdecimal() and len(group) <= _MAX_DIGITS for group in groups
    ):
        return None
    numbers = [int(group) for group in groups]
    if all(32 <= number < 127 for number in numbers):
        return readable(bytes(numbers))
    if all(number <= 26 for number in numbers):
        read = "".join(chr(ord("a") + number - 1) if number else " " for number in numbers)
        return readable(read.encode())
    return None
