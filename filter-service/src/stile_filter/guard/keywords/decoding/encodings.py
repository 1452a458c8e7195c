"""Text in another writing: entities, escapes, base64, Morse, hidden characters.

A *rewriting* reads a text whole and leaves what is plain as it is. A *reader* reads single words; what they
say is searched apart from the text around them. Both are searched again, so that an encoding within an
encoding is found too.
"""

import base64
import binascii
import html
import re
from collections.abc import Iterator
from urllib.parse import unquote

from ahocorasick_rs import AhoCorasick, Implementation, MatchKind

from stile_filter.guard.keywords.decoding.codes import Word, numbers, readable
from stile_filter.guard.keywords.decoding.invisible import invisible
from stile_filter.guard.keywords.shape import places
from stile_filter.guard.keywords.tables import Table


def rewritten(text: str) -> tuple[str, str] | None:
    """Return the names of the writings that a text has, and the text in plain; None if it has none."""
    names = []
    for name, rewriting in _REWRITINGS.items():
        before, text = text, rewriting(text)
        if text != before:
            names.append(name)
    return ("+".join(names), text) if names else None


def words(text: str) -> Iterator[Word]:
    """Yield the single words of a text that are written otherwise."""
    for reader in (_base64, _base32, numbers, _morse, invisible):
        yield from reader(text)


def _percent(text: str) -> str:
    return unquote(text, errors="replace") if "%" in text else text


_QUOTED_PRINTABLE = re.compile(r"(?:=[0-9A-F]{2}){2,}")


def _quoted_printable(text: str) -> str:
    if "=" not in text:
        return text
    return _QUOTED_PRINTABLE.sub(
        lambda found: readable(bytes.fromhex(found[0].replace("=", ""))) or found[0], text
    )


_ESCAPE = r"(?:(?:\\{1,2}u\{?|\\{1,2}U|\\{1,2}x\{?|[Uu]\+|0x)[0-9A-Fa-f]{2,8}\}?|\\{1,2}[0-7]{3})"
_ESCAPES = re.compile(rf"{_ESCAPE}(?:[\s,;]{{0,2}}{_ESCAPE})*")
_CODE = re.compile(r"[0-9A-Fa-f]{2,}")
_OCTAL = re.compile(r"\\{1,2}([0-7]{3})(?![0-9A-Fa-f])")


_ESCAPE_BEGINNINGS = ("\\", "u+", "U+", "0x")


def _escapes(text: str) -> str:
    if "\\" not in text and "+" not in text and "0x" not in text:
        return text
    # The expression alone would be tried at each character.
    written: list[str] = []
    done = 0
    for at in sorted(at for beginning in _ESCAPE_BEGINNINGS for at in places(text, beginning)):
        if at >= done and (found := _ESCAPES.match(text, at)):
            written += text[done:at], _unescaped(found)
            done = found.end()
    return "".join(written) + text[done:] if done else text


def _unescaped(found: re.Match[str]) -> str:
    written = _OCTAL.sub(lambda octal: f"\\x{int(octal[1], 8):02x}", found[0])
    codes = [int(digits, 16) for digits in _CODE.findall(written)]
    if not all(code <= 0x10FFFF for code in codes):
        return found[0]
    # Two of them may be the halves of one character; a half alone is none.
    return "".join(map(chr, codes)).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _kind(char: str) -> str:
    """Write a small letter as ``a``, a capital as ``A``, a digit as ``1``, all else as it is."""
    return "a" if "a" <= char <= "z" else "A" if "A" <= char <= "Z" else "1" if "0" <= char <= "9" else char


# Base64 of text mixes small and capital letters, as plain words do not.
_KINDS = Table(_kind, foreign=False)
_MIXES = AhoCorasick(
    ["aA", "1A", "AAa", "1a1", "a1a", "a=", "1=", "A="],
    matchkind=MatchKind.Standard,
    implementation=Implementation.DFA,
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{4,}(?:\r?\n[A-Za-z0-9+/_-]{4,})*={0,2}")


def _base64(text: str) -> Iterator[Word]:
    done, kinds = -1, _KINDS(text)
    for mixed in sorted(start for _, start, _ in _MIXES.find_matches_as_indexes(kinds, overlapping=True)):
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
        if read := readable(raw):
            yield Word("base64", read, start, done)


_BASE64_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
_URL_SAFE = str.maketrans("-_", "+/")


_CAPITALS = Table(lambda char: "A" if "A" <= char <= "Z" or "2" <= char <= "7" else " ", foreign=False)
"""Writes a letter of base32 as ``A``, all else as a space."""
_BASE32 = re.compile(r"(?<![A-Za-z0-9])[A-Z2-7]{5,}={0,6}(?![A-Za-z0-9])")


def _base32(text: str) -> Iterator[Word]:
    done, capitals = 0, _CAPITALS(text)
    for at in places(f" {capitals}", " AAAAA") if "AAAAA" in capitals else ():
        found = _BASE32.match(text, at) if at >= done else None
        if found is None:
            continue
        done = found.end()
        token = found[0].rstrip("=")
        if token.isdecimal():
            continue
        try:
            raw = base64.b32decode(token + "=" * (-len(token) % 8))
        except binascii.Error:
            continue
        if read := readable(raw):
            yield Word("base32", read, *found.span())


_MORSE_CODES = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- "
    "-. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.."
)
_MORSE_LETTERS = dict(zip(_MORSE_CODES.split(), "abcdefghijklmnopqrstuvwxyz", strict=True))
_MORSE = re.compile(r"(?<![\w.-])[.-]{1,4}(?:[ /|]{1,3}[.-]{1,4}){2,}(?![\w.-])")
_STROKES = str.maketrans({"·": ".", "•": ".", "−": "-", "–": "-", "—": "-", "_": "-"})  # noqa: RUF001


def _morse(text: str) -> Iterator[Word]:
    strokes = text if text.isascii() and "_" not in text else text.translate(_STROKES)
    if ".-" not in strokes and "-." not in strokes:
        return
    for found in _MORSE.finditer(strokes):
        written = re.split(r" ?[/|] ?|   ?", found[0])
        letters = [[_MORSE_LETTERS.get(code) for code in word.split()] for word in written]
        if all(all(word) for word in letters):
            yield Word("morse", " ".join("".join(map(str, word)) for word in letters), *found.span())


_REWRITINGS = {
    "html": html.unescape,
    "percent": _percent,
    "quoted-printable": _quoted_printable,
    "escapes": _escapes,
}
