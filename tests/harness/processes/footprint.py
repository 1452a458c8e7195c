"""What a system's parts hold: resident memory and descriptors."""

from dataclasses import dataclass

import psutil

from harness.parts.system import System


@dataclass(frozen=True)
class Footprint:
    """Of one part, with its children's."""

    megabytes: float
    """Resident, in 10^6 bytes."""
    descriptors: int


def footprints(system: System) -> dict[str, Footprint]:
    """Return what each part and nats-server hold now."""
    pids = {part: process.pid for part, process in system.parts.items()} | {"nats-server": system.bus.pid}
    return {part: _of(pid) for part, pid in pids.items()}


def _of(pid: int) -> Footprint:
    root = psutil.Process(pid)
    family = [root, *root.children(recursive=True)]
    return Footprint(sum(p.memory_info().rss for p in family) / 1e6, sum(p.num_fds() for p in family))
