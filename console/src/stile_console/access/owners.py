"""The owners' keys: API keys that open the console, too."""

import hmac
from pathlib import Path

from stile_runtime import api_keys
from stile_runtime.api_keys import ApiKeys
from stile_runtime.watched_file import WatchedFile


class Owners:
    """Knows which keys are an owner's, and takes up a changed file by itself.

    Args:
        path: the file of API keys; it may come later.

    Raises:
        KeyFileError: the file is there and can't be read, or holds no keys.
    """

    def __init__(self, path: Path) -> None:
        self._file = WatchedFile(
            path, api_keys.read, "api_keys", lambda read: {"keys": len(read.keys)}, empty=ApiKeys()
        )

    def is_owner(self, digest: str) -> bool:
        """Return whether the key of this digest is an owner's now."""
        found = False
        for key in self._file.content.keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key.owner
        return found
