"""What a program logs in to nats-server with; apart from ``connection``, which imports nats-py."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import ssl
    from pathlib import Path


class Login(NamedTuple):
    """Where to connect, and as which user."""

    url: str
    """Of nats-server; several with commas between them."""
    seed: Path | None
    """The file with the user's seed, read at each login; None: no authentication."""
    tls: ssl.SSLContext | None
    inbox: str
    """The prefix of the user's inboxes."""
