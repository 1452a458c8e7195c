"""A model's name as one token of a subject.

The consumer makes the same; ``fixtures/v1/models.json`` compares the two.
"""

import re

WHICHEVER = "stile"
"""The name for whichever model's worker is idle: for clients that must put some name."""

MAX_TOKEN_BYTES = 128
"""With lane and client a durable consumer's name is then 205 bytes at most; nats-server takes 255."""

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_-")
_TOKEN = re.compile(r"(?:[a-z0-9_-]|=[0-9A-F]{2})+")


def token(name: str) -> str | None:
    """Return the token of the model ``name``; None where it is empty or too long for one.

    Names that differ in the case of ASCII letters alone have the same token, all others have different ones:
    a byte of the name's UTF-8 that is none of ``[a-z0-9_-]`` is written as ``=`` and two hex digits.
    """
    name_bytes = name.encode(errors="surrogatepass").lower()
    text = "".join(chr(byte) if byte in _PLAIN else f"={byte:02X}" for byte in name_bytes)
    return text if 0 < len(text) <= MAX_TOKEN_BYTES else None


def is_token(text: str) -> bool:
    """Tell whether ``text`` is a model's token."""
    return len(text) <= MAX_TOKEN_BYTES and _TOKEN.fullmatch(text) is not None


def names_one(name: str | None) -> bool:
    """Tell whether a request's ``model`` names a model; else any may answer it."""
    return bool(name) and token(name or "") != WHICHEVER
