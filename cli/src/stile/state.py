"""What one `stile up` says of itself to other commands: which parts there are, and how they fare.

The file outlives a supervisor that was killed, and process ids are used again: so each id stands with the
time its process was made, and is believed only where both match.
"""

import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

import psutil


class PartState(StrEnum):
    """How a part fares."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    EXTERNAL = "external"
    """It is used, but was not started here (``STILE_LLAMA_URL``)."""


@dataclass(frozen=True)
class PartStatus:
    """One part's line."""

    name: str
    pid: int | None = None
    state: PartState = PartState.STOPPED
    port: int | None = None
    restarts: int = 0
    created: float | None = None
    """When the process was made, in seconds since the epoch."""


@dataclass(frozen=True)
class State:
    """The whole file."""

    pid: int
    created: float
    parts: tuple[PartStatus, ...]


def created(pid: int) -> float | None:
    """Tell when the process was made, or None where there is none (or only its remains)."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


def write(path: Path, state: State) -> None:
    """Write the file whole."""
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(asdict(state), indent=1))
    draft.replace(path)


def read(path: Path) -> State | None:
    """Read what the `stile up` that runs now says, or None where none does."""
    try:
        described = json.loads(path.read_text())
        parts = tuple(
            PartStatus(**{**part, "state": PartState(part["state"])}) for part in described["parts"]
        )
        state = State(described["pid"], described["created"], parts)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if created(state.pid) != state.created:
        return None
    return replace(state, parts=tuple(_believed(part) for part in state.parts))


def _believed(part: PartStatus) -> PartStatus:
    """Take back a process id whose process is gone: the supervisor has not said so yet."""
    if part.pid is None or created(part.pid) == part.created:
        return part
    return replace(part, pid=None, created=None, state=PartState.RESTARTING)
