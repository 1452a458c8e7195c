"""Text in another writing: entities, escapes, base64, hex, codes of characters, Morse, hidden characters.

Each reader yields what it reads and where that was written. What it reads is searched again, so an encoding
within an encoding is found too.
"""

import base64
import binascii
import html
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import unquote

_MIN_LETTERS = 3
"""Shorter texts hold no phrase worth to be hidden."""


class Decoded(NamedTuple):
    """What was read, and where it was written."""

    view: str
    text: str
    start: int
    end: int


_Reader = Callable[[str], Iterator[Decoded]]


def decoded(text: str) -> Iterator[Decoded]:
    """Yield everything that can be read out of ``text`` in another writing."""
    for reader in _READERS:
        yield from reader(text)


def places(text: str, part: str) -> Iterator[int]:
    """Yield where ``part`` stands in ``text``; a part may begin within the one before."""
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def _entities(text: str) -> Iterator[Decoded]:
    if "&" in text and (read := html.unescape(text)) != text:
        yield Decoded("html", read, 0, len(text))


def _percent(text: str) -> Iterator[Decoded]:
    if "%" in text and (read := unquote(text, errors="replace")) != text:
        yield Decoded("percent", read, 0, len(text))


_QUOTED_PRINTABLE = re.compile(r"(?:=[0-9A-F]{2}){2,}")


def _quoted_printable(text: str) -> Iterator[Decoded]:
    if "=" in text and _QUOTED_PRINTABLE.search(text):
        read = _QUOTED_PRINTABLE.sub(
            lambda found: _readable(bytes.fromhex(found[0].replace("=", ""))) or found[0], text
        )
        if read != text:
            yield Decoded("quoted-printable", read, 0, len(text))


_ESCAPE = r"(?:(?:\\{1,2}u\{?|\\{1,2}U|\\{1,2}x\{?|[Uu]\+|0x)[0-9A-Fa-f]{2,8}\}?|\\{1,2}[0-7]{3})"
_ESCAPES = re.compile(rf"{_ESCAPE}(?:[\s,;]{{0,2}}{_ESCAPE})*")
_CODE = re.compile(r"[0-9A-Fa-f]{2,}")
_OCTAL = re.compile(r"\\{1,2}([0-7]{3})(?![0-9A-Fa-f])")


def _escapes(text: str) -> Iterator[Decoded]:
    if "\\" in text or "+" in text or "0x" in text:
        read = _ESCAPES.sub(_unescaped, text)
        if read != text:
            yield Decoded("escapes", read, 0, len(text))


def _unescaped(found: re.Match[str]) -> str:
    written = _OCTAL.sub(lambda octal: f"\\x{int(octal[1], 8):02x}", found[0])
    codes = [int(digits, 16) for digits in _CODE.findall(written)]
    if not all(code <= 0x10FFFF for code in codes):
        return found[0]
    # Two of them may be the halves of one character; a half alone is none.
    return "".join(map(chr, codes)).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class _Kinds(dict[int, str]):
    """Writes a small letter as ``a``, a capital as ``A``, a digit as ``1``, all else as it is."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        self[code] = kind = (
            "a" if "a" <= char <= "z" else "A" if "A" <= char <= "Z" else "1" if "0" <= char <= "9" else char
        )
        return kind


# Base64 of text mixes small and capital letters, as plain words do not.
_KINDS = _Kinds()
_MIXES = ("aA", "1A", "AAa", "1a1", "a1a", "a=", "1=", "A=")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{4,}(?:\r?\n[A-Za-z0-9+/_-]{4,})*={0,2}")


def _base64(text: str) -> Iterator[Decoded]:
    done, kinds = -1, text.translate(_KINDS)
    for mixed in sorted(at for mix in _MIXES for at in places(kinds, mix)):
        if mixed < done:
            continue
        start = mixed
        while start and text[start - 1] in _BASE64_LETTERS:
            start -= 1
        found = _BASE64.match(text, start)
        if found is None:
            continue
        done = found.end()
        token = "".join(found[0].split()).rstrip("=")
        if len(token) % 4 == 1:
            continue
        raw = base64.b64decode(token.translate(_URL_SAFE) + "=" * (-len(token) % 4))
        if read := _readable(raw):
            yield Decoded("base64", read, start, done)


_BASE64_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
_URL_SAFE = str.maketrans("-_", "+/")


class _Capitals(dict[int, str]):
    """Writes a letter of base32 as ``A``, all else as a space."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        self[code] = kind = "A" if "A" <= char <= "Z" or "2" <= char <= "7" else " "
        return kind


_CAPITALS = _Capitals()
_BASE32 = re.compile(r"(?<![A-Za-z0-9])[A-Z2-7]{5,}={0,6}(?![A-Za-z0-9])")


def _base32(text: str) -> Iterator[Decoded]:
    if "A" * 5 not in text.translate(_CAPITALS):
        return
    for found in _BASE32.finditer(text):
        token = found[0].rstrip("=")
        if token.isdecimal():
            continue
        try:
            raw = base64.b32decode(token + "=" * (-len(token) % 8))
        except binascii.Error:
            continue
        if read := _readable(raw):
            yield Decoded("base32", read, *found.span())


_NUMBERS = re.compile(
    r"(?<![0-9A-Za-z])[0-9A-Fa-f]{1,8}(?:[\s:,;/_-]{0,2}[0-9A-Fa-f]{1,8}){2,}(?![0-9A-Za-z])"
)
_BETWEEN = re.compile(r"[^0-9A-Fa-f]+")


def _numbers(text: str) -> Iterator[Decoded]:
    """Read codes of characters: hex, binary, decimal, or a letter's place in the alphabet."""
    done, digits = -1, text.translate(_DIGITS)
    for digit in places(digits, "1"):
        if digit < done:
            continue
        start = digit
        while start and text[start - 1] in _HEX_DIGITS:
            start -= 1
        found = _NUMBERS.match(text, start)
        if found is None:
            continue
        done = found.end()
        groups = _BETWEEN.split(found[0])
        for view, reader in (("hex", _hex), ("binary", _binary), ("codes", _codes)):
            if read := reader(groups):
                yield Decoded(view, read, *found.span())


class _Digits(dict[int, str]):
    def __missing__(self, code: int) -> str:
        self[code] = kind = "1" if "0" <= chr(code) <= "9" else " "
        return kind


_DIGITS = _Digits()
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


def _hex(groups: list[str]) -> str | None:
    if any(len(group) % 2 for group in groups):
        return None
    return _readable(bytes.fromhex("".join(groups)))


def _binary(groups: list[str]) -> str | None:
    digits = "".join(groups)
    if {*digits} - {*"01"}:
        return None
    for width in (8, 7):
        cut = [digits[at : at + width] for at in range(0, len(digits) - width + 1, width)]
        if len(digits) % width == 0 and (read := _readable(bytes(int(each, 2) for each in cut))):
            return read
    return None


def _codes(groups: list[str]) -> str | None:
    if not all(group.isdecimal() and len(group) <= _CODE_DIGITS for group in groups):
        return None
    numbers = [int(group) for group in groups]
    if all(32 <= number < 127 for number in numbers):
        return _readable(bytes(numbers))
    if all(number <= 26 for number in numbers):
        read = "".join(chr(ord("a") + number - 1) if number else " " for number in numbers)
        return _readable(read.encode())
    return None


_CODE_DIGITS = 3

_MORSE_LETTERS = dict(
    zip(
        [
            ".-",
            "-...",
            "-.-.",
            "-..",
            ".",
            "..-.",
            "--.",
            "....",
            "..",
            ".---",
            "-.-",
            ".-..",
            "--",
            "-.",
            "---",
            ".--.",
            "--.-",
            ".-.",
            "...",
            "-",
            "..-",
            "...-",
            ".--",
            "-..-",
            "-.--",
            "--..",
        ],
        "abcdefghijklmnopqrstuvwxyz",
        strict=True,
    )
)
_MORSE = re.compile(r"(?<![\w.-])[.-]{1,4}(?:[ /|]{1,3}[.-]{1,4}){2,}(?![\w.-])")
_STROKES = str.maketrans({"·": ".", "•": ".", "−": "-", "–": "-", "—": "-", "_": "-"})  # noqa: RUF001


def _morse(text: str) -> Iterator[Decoded]:
    strokes = text if text.isascii() and "_" not in text else text.translate(_STROKES)
    if ".-" not in strokes and "-." not in strokes:
        return
    for found in _MORSE.finditer(strokes):
        words = re.split(r" ?[/|] ?|   ?", found[0])
        letters = [[_MORSE_LETTERS.get(code) for code in word.split()] for word in words]
        if all(all(word) for word in letters):
            yield Decoded("morse", " ".join("".join(map(str, word)) for word in letters), *found.span())


_TAGS = re.compile("[\U000e0020-\U000e007e]{2,}")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{3,}")
_ZERO_WIDTH = re.compile("[\u200b\u200c\u200d\u2060\ufeff\u180e\u2061-\u2064]{7,}")


def _hidden(text: str) -> Iterator[Decoded]:
    if text.isascii():
        return
    for found in _TAGS.finditer(text):
        yield Decoded("tags", "".join(chr(ord(char) - 0xE0000) for char in found[0]), *found.span())
    for found in _SELECTORS.finditer(text):
        if read := _readable(bytes(_selector(char) for char in found[0])):
            yield Decoded("selectors", read, *found.span())
    for found in _ZERO_WIDTH.finditer(text):
        yield from _bits(found)


def _selector(char: str) -> int:
    code = ord(char)
    return code - 0xFE00 if code <= 0xFE0F else code - 0xE0100 + 16


def _bits(found: re.Match[str]) -> Iterator[Decoded]:
    kinds = sorted(set(found[0]))
    if len(kinds) != 2:
        return
    for zero, one in (kinds, kinds[::-1]):
        digits = found[0].replace(zero, "0").replace(one, "1")
        for width in (8, 7, 16):
            groups = [digits[at : at + width] for at in range(0, len(digits) - width + 1, width)]
            raw = b"".join(int(group, 2).to_bytes(2, "big").lstrip(b"\0") for group in groups)
            if read := _readable(raw):
                yield Decoded("zero-width", read, *found.span())


def _readable(raw: bytes) -> str | None:
    """Return text if the bytes are text, in UTF-8 or UTF-16."""
    if raw.count(0) * 2 >= len(raw) > 0:
        raw = raw.replace(b"\0", b"")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    if sum(map(str.isalpha, text)) < _MIN_LETTERS:
        return None
    return text if all(char.isprintable() or char.isspace() for char in text) else None


_READERS: tuple[_Reader, ...] = (
    _entities,
    _percent,
    _quoted_printable,
    _escapes,
    _base64,
    _base32,
    _numbers,
    _morse,
    _hidden,
)
