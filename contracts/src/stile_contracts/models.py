"""A model's name as one token of a subject.

The worker makes the same token; ``fixtures/v1/models.json`` compares the two.
"""

import re

WHICHEVER = "stile"
"""The name that stands for any idle model, for clients that must send a name."""

MAX_TOKEN_BYTES = 128
"""Then a durable's name, with lane and client, has at most 205 bytes; nats-server allows 255."""

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_-")
_TOKEN = re.compile(r"(?:[a-z0-9_-]|=[0-9A-F]{2})+")


def token(name: str) -> str | None:
    """Return the token of the model ``name``, or None if the name is empty or too long.

    Each byte of the name's UTF-8 outside of ``[a-z0-9_-]`` is written as ``=`` and two hex digits.
    Two names have the same token only if they differ in nothing but the case of ASCII letters.
    """
    name_bytes = name.encode(errors="surrogatepass").lower()
    text = "".join(chr(byte) if byte in _PLAIN else f"={byte:02X}" for byte in name_bytes)
    return text if 0 < len(text) <= MAX_TOKEN_BYTES else None


def is_token(text: str) -> bool:
    """Return whether ``text`` is a model's token."""
    return len(text) <= MAX_TOKEN_BYTES and _TOKEN.fullmatch(text) is not None


def names_one(name: str | None) -> bool:
    """Return whether a request's ``model`` names a model. Otherwise any model may answer."""
    return bool(name) and token(name or "") != WHICHEVER
