"""The API keys that are known, from a file that may change at any time."""

import hmac
import os
import time
from collections.abc import Callable
from pathlib import Path

import structlog
from pydantic import ValidationError

from stile_contracts.api_keys import ApiKey, ApiKeys, digest

LOOK_SECONDS = 1.0
"""Between two looks at the file."""

log = structlog.get_logger(__name__)

_State = tuple[int, int, int]
"""Of a file that is there."""


class KeyFileError(Exception):
    """The file cannot be read, or holds no keys; it ends the start and is no error of the tree."""


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
        self._path = path
        self._clock = clock
        self._looked = clock()
        self._state = _state(path)
        self._keys: tuple[ApiKey, ...] | None = None if self._state is None else read(path).keys

    @property
    def is_asked_for(self) -> bool:
        """Whether a key is asked for now."""
        self._look()
        return self._keys is not None

    def find(self, presented: str) -> ApiKey | None:
        """Return the key that was presented, if it is one; every key takes the same time to compare."""
        self._look()
        found = None
        sought = digest(presented)
        for key in self._keys or ():
            if hmac.compare_digest(key.sha256, sought):
                found = key
        return found

    def _look(self) -> None:
        now = self._clock()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        state = _state(self._path)
        if state == self._state:
            return
        self._state = state
        try:
            self._keys = read(self._path).keys
        except KeyFileError as error:
            self._keys = self._keys or ()
            log.error("api keys not taken up", reason=str(error))  # noqa: TRY400 -- nothing is in its trace
        else:
            log.info("api keys taken up", keys=len(self._keys))


def read(path: Path) -> ApiKeys:
    """Read the file.

    Raises:
        KeyFileError: it cannot be read, or holds no keys.
    """
    try:
        return ApiKeys.model_validate_json(path.read_bytes())
    except OSError as error:
        raise KeyFileError(f"the file cannot be read: {error.strerror}; `stile keys add` makes it") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise KeyFileError(f"the file holds no keys: {where or 'it'}: {first['msg']}") from error


def is_there(path: Path) -> bool:
    """Tell whether there is such a file; one that this process may not look at is there."""
    return _state(path) is not None


def _state(path: Path) -> _State | None:
    """Return what tells one version of the file from another, or None where there is none.

    A rename over it changes the inode. A file that this process may not look at is there.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 -- a third of what Path's costs, in the way of every request
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino
