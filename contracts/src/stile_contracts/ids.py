"""How a request gets its id.

The id ends the request's subject, and CHAT keeps one message for each subject. So a repeat under
the same key, which has the same id, takes no second place.
"""

import hashlib
from uuid import UUID, uuid5

import uuid_utils.compat

_KEYED = UUID("8d7f1c1e-2f52-4f0b-9d0a-6f6f3c0b5a11")


def new_id() -> UUID:
    """Return an id for a request without a key: a UUIDv7, so that ids sort by time."""
    return uuid_utils.compat.uuid7()


def keyed_id(client: str, key: str) -> UUID:
    """Return the id of ``client``'s request under ``key``. The same two always give the same id."""
    return uuid5(_KEYED, f"{client}\0{key}")


def body_sha256(body: bytes) -> str:
    """Return the digest of a client's body for ``Chat-Body-SHA256``, in lower-case hex."""
    return hashlib.sha256(body).hexdigest()
