"""The rings of tests (docs/adr/0029): a test's folder says which one it is in."""

import contextlib
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import PurePath


class Ring(StrEnum):
    """What a test needs."""

    CHECK = "check"
    """Python alone: it starts no process."""
    PROCESSES = "processes"
    """The project's own processes, and nats-server."""
    DOCKER = "docker"
    """Containers."""


_PROCESSES = {"bus", "system"}
"""Folders with this name hold tests that start processes, in every package."""
_PURE = {"contract", "fuzz", "harness"}
"""The folders of `tests/` whose tests start none."""
_STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system"}

_forbidden = False
_tried: list[str] = []


def ring_of(path: PurePath) -> Ring:
    """Return the ring of a file of tests; ``path`` is relative to the repository."""
    folders = path.parts[:-1]
    if folders[:2] == ("tests", "e2e"):
        return Ring.DOCKER
    is_pure_here = folders[0] != "tests" or folders[1] in _PURE
    return Ring.CHECK if is_pure_here and not _PROCESSES & set(folders) else Ring.PROCESSES


@contextlib.contextmanager
def no_processes() -> Iterator[None]:
    """Have each start of a process fail inside this block.

    Raises:
        RuntimeError: one was to be started, even if the code that wanted it went on without it.
    """
    global _forbidden  # noqa: PLW0603 -- a process has one set of audit hooks
    _tried.clear()
    _forbidden = True
    try:
        yield
    finally:
        _forbidden = False
    if _tried:
        raise RuntimeError(_sentence(_tried[0]))


def _audit(event: str, _arguments: tuple[object, ...]) -> None:
    if _forbidden and event in _STARTS:
        _tried.append(event)
        raise RuntimeError(_sentence(event))


def _sentence(event: str) -> str:
    return f"{event}: a test of `make check` starts no process; tests/README.md says where it belongs"


sys.addaudithook(_audit)
