"""The sessions of browsers, in memory: a console that is restarted asks for a new token.

A session has two secrets. The first is a cookie, which no script can read. But a browser sends a cookie to
every port of the same host, so another program on this machine may see it. The second secret is kept by the
page, only for its own origin, and sent in a header. A request needs both.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from typing import NamedTuple

IDLE_SECONDS = 12 * 3600
"""A session that was not used for so long has ended."""
MOST = 64
"""Sessions at once; the one that was not used for the longest time gives way to a new one."""


class Secrets(NamedTuple):
    """The two secrets of a new session; only their digests are kept."""

    cookie: str
    proof: str


class _Session:
    def __init__(self, proof: str, key_digest: str | None, used: float) -> None:
        self.proof = proof
        self.key_digest = key_digest
        self.used = used


class Sessions:
    """Holds the sessions.

    Args:
        is_owner: whether the key of a digest is an owner's now; asked at each use of a session that a key has
            opened, so that a key that was revoked ends it.
        clock: seconds, monotonic.
    """

    def __init__(self, is_owner: Callable[[str], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._is_owner = is_owner
        self._clock = clock
        self._sessions: dict[str, _Session] = {}
        """By the cookie's digest, the one that was used last at the end."""

    def open(self, key_digest: str | None = None) -> Secrets:
        """Open a session.

        Args:
            key_digest: of the owner's key that opens it; None: a token does.
        """
        made = Secrets(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
        self._sessions[_digest(made.cookie)] = _Session(_digest(made.proof), key_digest, self._clock())
        while len(self._sessions) > MOST:
            del self._sessions[next(iter(self._sessions))]
        return made

    def is_open(self, cookie: str, proof: str) -> bool:
        """Return whether the two secrets belong to one open session, and note that it is used."""
        name = _digest(cookie)
        session = self._sessions.get(name)
        if session is None or not hmac.compare_digest(session.proof, _digest(proof)):
            return False
        is_over = self._clock() - session.used > IDLE_SECONDS
        if is_over or (session.key_digest is not None and not self._is_owner(session.key_digest)):
            del self._sessions[name]
            return False
        session.used = self._clock()
        self._sessions[name] = self._sessions.pop(name)
        return True

    def close(self, cookie: str) -> None:
        """End a session."""
        self._sessions.pop(_digest(cookie), None)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
