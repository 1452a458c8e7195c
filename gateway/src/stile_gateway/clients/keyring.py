"""The API keys that are known, from a file that may change at any time."""

import hmac
import time
from collections.abc import Callable
from pathlib import Path

from stile_runtime import api_keys
from stile_runtime.api_keys import ApiKey, ApiKeys
from stile_runtime.watched_file import WatchedFile

LOOK_SECONDS = 1.0
"""Between two looks at the file."""


class KeyRing:
    """Knows the keys of ``path``, and takes up a changed file by itself.

    Keys are asked for as soon as the file is there, however few it holds, and from then on: a file that has
    gone, or that cannot be read, changes nothing of what was read last.

    Args:
        path: written by `stile keys`; it may come later.
        clock: seconds, monotonic.

    Raises:
        KeyFileError: the file is there and cannot be read, or holds no keys.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = WatchedFile(
            path,
            api_keys.read,
            "api_keys",
            lambda read: {"keys": len(read.keys)},
            empty=ApiKeys(),
            look_seconds=LOOK_SECONDS,
            clock=clock,
        )

    @property
    def is_asked_for(self) -> bool:
        """Whether a key is asked for now."""
        return self._file.was_there

    def find(self, presented: str) -> ApiKey | None:
        """Return the key that was presented, if it is one; every key takes the same time to compare."""
        found = None
        sought = api_keys.digest(presented)
        for key in self._file.content.keys:
            if hmac.compare_digest(key.sha256, sought):
                found = key
        return found
