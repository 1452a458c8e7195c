"""What the rules found in a text, kept so that the text need not be searched again.

Each turn of a conversation sends all of it again. Only keyed hashes are kept, and the key is this process's
own, so a text cannot be found out from its hash.
"""

import os
from collections import OrderedDict
from hashlib import blake2b

from stile_filter.guard.texts import Text

ENTRIES = 65_536
SIZE = 16 * 1024 * 1024
"""Bytes. A request of 900 kB in 29 messages takes about 150 entries."""

_ENTRY_BYTES = 256
"""Of one entry: measured, with its share of the dictionary."""
_RULE_BYTES = 8

Found = tuple[str, ...]
"""The ids of the rules that found something."""


class Verdicts:
    """The verdicts of one policy, bounded; the least recently used ones are dropped.

    Each policy has its own. Its hash is in each key as well.

    Args:
        policy: the policy's hash.
        entries: how many are kept.
        size: how many bytes they may take.
    """

    def __init__(self, policy: str, *, entries: int = ENTRIES, size: int = SIZE) -> None:
        self._secret = os.urandom(32)
        self._policy = policy
        self._entries = entries
        self._most = size
        self._size = 0
        self._found: OrderedDict[bytes, Found] = OrderedDict()

    def __len__(self) -> int:
        return len(self._found)

    @property
    def size(self) -> int:
        """How many bytes they take, about."""
        return self._size

    def key(self, layer: str, model: str | None, text: Text) -> bytes:
        """Return the key of what a layer found in a text of a request for ``model``."""
        digest = blake2b(digest_size=16, key=self._secret)
        for field in (layer, self._policy, model or "", text.role, *text.parts):
            written = field.encode("utf-8", "surrogatepass")
            # With its length, so that no other fields make the same bytes.
            digest.update(len(written).to_bytes(8, "big"))
            digest.update(written)
        return digest.digest()

    def get(self, key: bytes) -> Found | None:
        """Return what was found under ``key``; None if it is not known."""
        found = self._found.get(key)
        if found is not None:
            self._found.move_to_end(key)
        return found

    def put(self, key: bytes, found: Found) -> None:
        """Keep what was found under ``key``."""
        self._forget(key)
        self._found[key] = found
        self._size += _bytes_of(found)
        while len(self._found) > self._entries or self._size > self._most:
            self._forget(next(iter(self._found)))

    def _forget(self, key: bytes) -> None:
        found = self._found.pop(key, None)
        if found is not None:
            self._size -= _bytes_of(found)


def _bytes_of(found: Found) -> int:
    return _ENTRY_BYTES + _RULE_BYTES * len(found)
