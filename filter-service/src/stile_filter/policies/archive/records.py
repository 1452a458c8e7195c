"""What is kept of a request, and how it is sealed: libsodium's sealed boxes, by PyNaCl.

Each sealed box has a sender's key of its own, which is thrown away: the filter cannot open what it sealed.
"""

import os
from pathlib import Path
from typing import Annotated
from uuid import UUID

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stile_contracts import signing
from stile_filter.errors import FilterServiceError
from stile_filter.guard.decide import State


class ArchiveError(FilterServiceError):
    """An archive, a key or a record can't be read."""


class Record(BaseModel):
    """One request, as it was judged."""

    model_config = ConfigDict(frozen=True)

    at_ms: Annotated[int, Field(ge=0)]
    """When it was judged: milliseconds since the Unix epoch."""
    id: UUID
    client: str
    policy: str
    """The version of the policy that judged it."""
    state: State
    rule: str | None
    view: str | None
    location: str | None
    body: str
    """The request, JSON, as the client sent it."""


def seal(record: Record, key: str) -> bytes:
    """Seal a record so that only the holder of the private half of ``key`` can read it."""
    return SealedBox(PublicKey(signing.decode(key))).encrypt(record.model_dump_json().encode())


def unseal(sealed: bytes, private: PrivateKey) -> Record:
    """Read a record.

    Raises:
        ArchiveError: it is sealed to another key, or damaged.
    """
    try:
        return Record.model_validate_json(SealedBox(private).decrypt(sealed))
    except (CryptoError, ValidationError) as error:
        raise ArchiveError("a record is sealed to another key, or damaged") from error


def make_key(path: Path) -> str:
    """Make a pair of keys: write the private half to ``path``, mode 0600, and return the public one.

    Raises:
        ArchiveError: there is such a file, or it can't be written.
    """
    private = PrivateKey.generate()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ArchiveError(
            f"{path}: {error.strerror}; a key is never overwritten: name another file"
        ) from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(signing.encode(bytes(private)) + "\n")
    return signing.encode(bytes(private.public_key))


def read_key(path: Path) -> PrivateKey:
    """Read the private half.

    Raises:
        ArchiveError: the file holds none.
    """
    try:
        return PrivateKey(signing.decode(path.read_text("ascii").strip()))
    except OSError as error:
        raise ArchiveError(f"{path}: {error.strerror}") from error
    except (ValueError, TypeError, CryptoError) as error:
        raise ArchiveError(f"{path}: holds no private key of `stile policy archive-key`") from error
