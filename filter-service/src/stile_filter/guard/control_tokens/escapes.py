"""JSON's escapes in a text, whether all of it is JSON or not. Some templates read a text as JSON."""

import re

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([\s\S]))")
_SURROGATE = re.compile("[dD][89a-fA-F]..")
_HALF = "\N{REPLACEMENT CHARACTER}"
"""No marker holds a character that JSON writes as two escapes."""
_NAMED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def decoded(text: str) -> str:
    """Return ``text`` with what its escapes stand for; for each half of a surrogate pair, U+FFFD."""
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def ends(text: str) -> list[int]:
    """Return for each character of ``decoded(text)`` the index in ``text`` behind it."""
    found: list[int] = []
    at = 0
    for escape in _ESCAPE.finditer(text):
        found += range(at + 1, escape.start() + 1)
        at = escape.end()
        found.append(at)
    found += range(at + 1, len(text) + 1)
    return found


def _character(escape: re.Match[str]) -> str:
    code, letter = escape.groups()
    if not code:
        return _NAMED.get(letter, letter)
    return _HALF if _SURROGATE.fullmatch(code) else chr(int(code, 16))
