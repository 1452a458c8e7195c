"""A file that may change at any time, and is read again when it has."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import structlog

Content = TypeVar("Content")

_Version = tuple[int, int, int]

log = structlog.get_logger(__name__)


class WatchedFile(Generic[Content]):
    """Holds what was read last from ``path``.

    A file that has gone, or that can't be read, leaves that as it is: an error is logged once.

    Args:
        path: the file; replace it by a rename, so that no half of it is read.
        read: reads it; raises OSError or ValueError, whose messages may be logged.
        name: begins the log events ``…_changed`` and ``…_unusable``.
        about: what of the content may be logged.
        empty: what is held as long as there is no file; None: the file has to be there.
        look_seconds: between two looks at the file; 0: it is looked at each time.
        clock: seconds, monotonic.

    Raises:
        OSError, ValueError: as ``read`` raised it.
    """

    def __init__(  # noqa: PLR0913 -- four of them say how the file is read, three how often
        self,
        path: Path,
        read: Callable[[Path], Content],
        name: str,
        about: Callable[[Content], dict[str, object]],
        *,
        empty: Content | None = None,
        look_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._read = read
        self._changed, self._unusable = f"{name}_changed", f"{name}_unusable"
        self._about = about
        self._look_seconds = look_seconds
        self._clock = clock
        self._looked = clock()
        self._version = version(path)
        self._was_there = self._version is not None
        self._content = read(path) if self._was_there or empty is None else empty

    @property
    def was_there(self) -> bool:
        """Whether there is such a file, or was one since the start."""
        self._look()
        return self._was_there

    @property
    def content(self) -> Content:
        """What was read last."""
        self._look()
        return self._content

    def _look(self) -> None:
        now = self._clock()
        if now - self._looked < self._look_seconds:
            return
        self._looked = now
        if (found := version(self._path)) == self._version:
            return
        self._version, self._was_there = found, True
        try:
            self._content = self._read(self._path)
        except (OSError, ValueError) as error:
            log.error(self._unusable, file=str(self._path), reason=str(error))  # noqa: TRY400 -- a traceback says no more
        else:
            log.info(self._changed, **self._about(self._content))


def version(path: Path) -> _Version | None:
    """Return what tells one content of the file from another, in microseconds; None if there is no file.

    A rename over the file changes its inode. A file that this process may not look at is there.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 -- a third of what Path's costs, and each request waits for it
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino
