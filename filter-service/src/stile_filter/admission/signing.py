"""Signs approvals, so that whoever takes over the bus, or the filter's user on it, approves nothing.

Ed25519 by PyNaCl, which the nkeys need as well. What is signed stands in ``stile_contracts.signing``.
"""

import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from nacl.signing import SigningKey

from stile_contracts import headers, signing
from stile_runtime.watched_file import WatchedFile


class NoSigner:
    """Signs nothing: without ``STILE_SIGNING_KEY`` the bus's permissions alone say who approves."""

    key_id = None

    def __init__(self) -> None:
        self._answers_key = os.urandom(32)

    def answers_key(self) -> bytes:
        """Return the key of the hashes of answers: this process's own."""
        return self._answers_key

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
        self._file = WatchedFile(path, read_key, "signing_key", lambda key: {"key": key.id})

    @property
    def key_id(self) -> str:
        """Which key signs now."""
        return self._file.content.id

    def answers_key(self) -> bytes:
        """Return the key of the hashes of answers: another one for each key that signs."""
        return blake2b(bytes(self._file.content.signing), digest_size=32, person=b"stile-answers").digest()

    def sign(self, subject: str, message_headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        """Return the headers that an approval gets on top of ``message_headers``."""
        key = self._file.content
        payload = signing.payload(subject, message_headers, body)
        return {
            headers.CHAT_SIGNATURE: signing.encode(key.signing.sign(payload).signature),
            headers.CHAT_SIGNING_KEY: key.id,
        }


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
