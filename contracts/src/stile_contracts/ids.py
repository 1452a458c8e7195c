"""How a request gets its id (DESIGN, decision 2)."""

import hashlib
from uuid import UUID, uuid5

import uuid_utils.compat

_KEYED = UUID("8d7f1c1e-2f52-4f0b-9d0a-6f6f3c0b5a11")


def new_id() -> UUID:
    """Make an id for a request without a key: a UUIDv7, so ids sort by time."""
    return uuid_utils.compat.uuid7()


def keyed_id(client: str, key: str) -> UUID:
    """Derive the id of ``client``'s request under ``key``: the same two give the same id, everywhere."""
    return uuid5(_KEYED, f"{client}\0{key}")


def body_sha256(body: bytes) -> str:
    """Digest a client's body, lower-case hex, for ``Chat-Body-SHA256``."""
    return hashlib.sha256(body).hexdigest()
