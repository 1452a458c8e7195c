"""Signs approvals, so that whoever takes over the bus, or the filter's user on it, approves nothing.

Ed25519 by PyNaCl, which the nkeys need as well. What is signed stands in ``stile_contracts.signing``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import structlog
from nacl.signing import SigningKey

from stile_contracts import headers, signing

log = structlog.get_logger()


class Unsigned:
    """Signs nothing: without ``STILE_SIGNING_KEY`` the bus's permissions alone say who approves."""

    key_id = None

    def sign(self, subject: str, message_headers: Mapping[str, str], body: bytes) -> dict[str, str]:  # noqa: ARG002 -- the port's shape
        """Return no headers."""
        return {}


class _Key(NamedTuple):
    """A signing key, and which public half of it the consumers look for."""

    signing: SigningKey
    id: str


class FileSigner:
    """Signs with the seed in a file, and with another as soon as the file is another.

    Args:
        path: the file: a seed of 32 bytes on one line, base64url without padding.

    Raises:
        ValueError: the file holds no seed.
        OSError: it can't be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = _version(path)
        self._key = read_key(path)

    @property
    def key_id(self) -> str:
        """Which key signs now."""
        self._look()
        return self._key.id

    def sign(self, subject: str, message_headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        """Return the headers that an approval gets on top of ``message_headers``."""
        self._look()
        payload = signing.payload(subject, message_headers, body)
        return {
            headers.CHAT_SIGNATURE: signing.encode(self._key.signing.sign(payload).signature),
            headers.CHAT_SIGNING_KEY: self._key.id,
        }

    def _look(self) -> None:
        """Take up a replaced file. One that can't be used is told of once, and the key stays as it is."""
        if (now := _version(self._path)) == self._seen:
            return
        self._seen = now
        try:
            self._key = read_key(self._path)
        except (OSError, ValueError) as error:
            log.error("signing_key_unusable", file=str(self._path), reason=str(error))  # noqa: TRY400 -- a traceback tells no more
            return
        log.info("signing_key_changed", key=self._key.id)


def read_key(path: Path) -> _Key:
    """Read a seed.

    Raises:
        ValueError: the file holds none.
        OSError: it can't be read.
    """
    seed = signing.decode(path.read_text("ascii").strip())
    if len(seed) != signing.SEED_BYTES:
        raise ValueError(f"a seed has {signing.SEED_BYTES} bytes, not {len(seed)}")
    key = SigningKey(seed)
    return _Key(key, signing.key_id(bytes(key.verify_key)))


def _version(path: Path) -> tuple[int, int, int] | None:
    """Tell one content of the file from another without reading it, in microseconds; None: it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
