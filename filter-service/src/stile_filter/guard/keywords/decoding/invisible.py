"""Words in characters that nobody sees: tags, selectors, and bits of zero width."""

import re
from collections.abc import Iterator

from stile_filter.guard.keywords.decoding.codes import Word, readable

_TAGS = re.compile("[\U000e0020-\U000e007e]{2,}")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{3,}")
_ZERO_WIDTH = re.compile("[\u200b\u200c\u200d\u2060\ufeff\u180e\u2061-\u2064]{7,}")


_ANY = re.compile(
    "[\u180e\u200b-\u200d\u2060-\u2064\ufe00-\ufe0f\ufeff\U000e0020-\U000e007e\U000e0100-\U000e01ef]"
)


def invisible(text: str) -> Iterator[Word]:
    """Yield the words that nobody sees."""
    if text.isascii() or not _ANY.search(text):
        return
    for found in _TAGS.finditer(text):
        yield Word("tags", "".join(chr(ord(char) - 0xE0000) for char in found[0]), *found.span())
    for found in _SELECTORS.finditer(text):
        if read := readable(bytes(_selector(char) for char in found[0])):
            yield Word("selectors", read, *found.span())
    for found in _ZERO_WIDTH.finditer(text):
        yield from _bits(found)


def _selector(char: str) -> int:
    code = ord(char)
    return code - 0xFE00 if code <= 0xFE0F else code - 0xE0100 + 16


def _bits(found: re.Match[str]) -> Iterator[Word]:
    kinds = sorted(set(found[0]))
    if len(kinds) != 2:
        return
    for zero, one in (kinds, kinds[::-1]):
        digits = found[0].replace(zero, "0").replace(one, "1")
        for width in (8, 7, 16):
            groups = [digits[at : at + width] for at in range(0, len(digits) - width + 1, width)]
            raw = b"".join(int(group, 2).to_bytes(2, "big").lstrip(b"\0") for group in groups)
            if read := readable(raw):
                yield Word("zero-width", read, *found.span())
