"""What one `stile up` tells other commands: its parts and their states.

The file outlives a supervisor that was killed, and process ids are used again. So each id has the
time when its process was made beside it, and counts only if both match.
"""

import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

import psutil

FILE = "state.json"
"""The file's name in an installation's folder (``STILE_HOME``)."""
NAMES = ("nats", "llama", "filter-service", "rust-consumer", "gateway", "console")
"""In the order they are started; they are stopped in the opposite one."""


class PartState(StrEnum):
    """The state of a part."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    EXTERNAL = "external"
    """It is used, but was not started here (``STILE_LLAMA_URL``)."""


@dataclass(frozen=True)
class PartStatus:
    """One part."""

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
    ready: bool = False
    """Whether everything was ready once."""
    takes_restarts: bool = False
    """Whether it reads ``Home.restarts`` at SIGUSR1; an earlier version would end."""

    def port(self, name: str) -> int | None:
        """Return the port of a part; None if it has none here."""
        return next((part.port for part in self.parts if part.name == name), None)


def created(pid: int) -> float | None:
    """Return when the process was made, or None if there is none (a zombie is none)."""
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
    """Read what the running `stile up` has written; None if none runs."""
    try:
        described = json.loads(path.read_text())
        parts = tuple(
            PartStatus(**{**part, "state": PartState(part["state"])}) for part in described["parts"]
        )
        flags = {name: described.get(name) is True for name in ("ready", "takes_restarts")}
        state = State(described["pid"], described["created"], parts, **flags)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if created(state.pid) != state.created:
        return None
    return replace(state, parts=tuple(_checked(part) for part in state.parts))


def _checked(part: PartStatus) -> PartStatus:
    """Remove a process id whose process is gone: the supervisor has not noticed it yet."""
    if part.pid is None or created(part.pid) == part.created:
        return part
    return replace(part, pid=None, created=None, state=PartState.RESTARTING)
