"""The files of an archive: sealed records in a row, each with its length before it.

Each process writes its own file, so several filters may share a folder. A file ends after an hour or at a
sixteenth of the bytes, so that old records are deleted in small pieces.
"""

import errno
import struct
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from stile_filter.guard.policy import ArchiveRules
from stile_filter.policies.archive.records import ArchiveError

FILE_SECONDS = 3600.0
FILES = 16
"""The most bytes of an archive are shared by so many files."""
DAY_SECONDS = 86_400.0
SUFFIX = ".sealed"

_LENGTH = struct.Struct(">I")
_MAX_RECORD = 64 * 1024 * 1024


class _Open(NamedTuple):
    path: Path
    began: float


class ArchiveFiles:
    """Writes the files of one process, and keeps all files of the folder within their bounds.

    Args:
        folder: is made if it is not there.
        clock: seconds since the Unix epoch.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock
        self._open: _Open | None = None

    def append(self, sealed: bytes, rules: ArchiveRules) -> None:
        """Write a record.

        Raises:
            OSError: it can't be written; nothing of it is left.
        """
        frame = _LENGTH.pack(len(sealed)) + sealed
        if len(frame) > rules.max_bytes:
            raise OSError(errno.EFBIG, "one record is more than max_bytes")
        path = self._current(len(frame), rules)
        with path.open("ab", buffering=0) as file:
            before = file.tell()
            written = 0
            try:
                while written < len(frame):
                    written += file.write(frame[written:])
            except OSError:
                # A reader could not read on after half a record.
                self._open = None
                file.truncate(before)
                raise

    def prune(self, rules: ArchiveRules, room: int = 0) -> None:
        """Delete files that are too old, and then the oldest ones until ``room`` more bytes fit.

        Raises:
            OSError: a file can't be deleted.
        """
        oldest = self._clock() - rules.days * DAY_SECONDS
        files = [(path, path.stat()) for path in _files(self._folder)]
        total = sum(state.st_size for _, state in files)
        for path, state in files:
            if state.st_mtime >= oldest and total + room <= rules.max_bytes:
                continue
            path.unlink(missing_ok=True)
            total -= state.st_size
            if self._open and self._open.path == path:
                self._open = None

    def _current(self, size: int, rules: ArchiveRules) -> Path:
        now, opened, share = self._clock(), self._open, rules.max_bytes // FILES
        if (
            opened
            and now - opened.began < FILE_SECONDS
            and opened.path.exists()
            and opened.path.stat().st_size + size <= share
        ):
            return opened.path
        self.prune(rules, max(size, share))
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f"{int(now * 1000):013}-{uuid.uuid4().hex[:8]}{SUFFIX}"
        path.touch(mode=0o600, exist_ok=False)
        self._open = _Open(path, now)
        return path


def read(folder: Path) -> Iterator[bytes]:
    """Yield the sealed records of an archive, the oldest first; half a record ends its file.

    Raises:
        ArchiveError: there is no such folder, or a file can't be read.
    """
    if not folder.is_dir():
        raise ArchiveError(f"{folder}: there is no archive")
    for path in _files(folder):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue  # it was too old, and has been deleted since
        except OSError as error:
            raise ArchiveError(f"{path}: {error.strerror}") from error
        at = 0
        while at + _LENGTH.size <= len(content):
            (length,) = _LENGTH.unpack_from(content, at)
            at += _LENGTH.size
            if length > _MAX_RECORD or at + length > len(content):
                break
            yield content[at : at + length]
            at += length


def _files(folder: Path) -> list[Path]:
    # Their names begin with the time.
    return sorted(folder.glob(f"*{SUFFIX}"))
