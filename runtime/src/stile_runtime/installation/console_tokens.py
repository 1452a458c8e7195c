"""The tokens that open the console: `stile` makes them, the console spends them; each works once.

A token is 256 random bits, and the file holds its SHA-256, one on a line with the time until which it works.
So nobody can open the console with what is in the file, and a console that was restarted knows which tokens
are spent.
"""

import fcntl
import hashlib
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stile_runtime.installation import files

FILE = "console-tokens"
"""The file's name in an installation's folder (``STILE_HOME``)."""
VALID_SECONDS = 24 * 3600
MOST = 16
"""Tokens that may be unspent at once; the oldest gives way to a new one."""

_Token = tuple[str, int]
"""Its digest, and the time until which it works, in seconds since the Unix epoch."""


def make(path: Path) -> str:
    """Make a token.

    Raises:
        OSError: the file can't be read or written.
    """
    token = secrets.token_urlsafe(32)
    with _changed(path) as tokens:
        tokens.append((_digest(token), int(time.time()) + VALID_SECONDS))
        del tokens[:-MOST]
    return token


def spend(path: Path, token: str) -> bool:
    """Return whether ``token`` works; from now on it does not.

    Raises:
        OSError: the file can't be read or written.
    """
    if not path.exists():
        return False
    sought = _digest(token)
    with _changed(path) as tokens:
        left = [known for known in tokens if not secrets.compare_digest(known[0], sought)]
        is_known = len(left) < len(tokens)
        tokens[:] = left
    return is_known


@contextmanager
def _changed(path: Path) -> Iterator[list[_Token]]:
    """Give the tokens that still work, and write what is left of them; one change after another."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = path.read_text() if path.exists() else ""
        tokens = [
            known for line in before.splitlines() if (known := _parsed(line)) and known[1] > time.time()
        ]
        yield tokens
        after = "".join(f"{digest} {until}\n" for digest, until in tokens)
        if after != before:
            files.replace(path, after)


def _parsed(line: str) -> _Token | None:
    match line.split():
        case [digest, until] if until.isdecimal():
            return digest, int(until)
    return None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
