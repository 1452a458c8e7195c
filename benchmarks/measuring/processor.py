"""The processor time of each part for a request. It depends less on other load than seconds do."""

import psutil

from harness.parts.system import System
from measuring import load

CLIENTS = 4


def processor_seconds(system: System) -> dict[str, float]:
    """Return the processor time of each part since its start, with its children's, in seconds."""
    roots = {part: process.pid for part, process in system.parts.items()}
    used = {}
    for part, pid in {**roots, "nats-server": system.bus.pid}.items():
        root = psutil.Process(pid)
        times = [process.cpu_times() for process in [root, *root.children(recursive=True)]]
        used[part] = sum(time.user + time.system for time in times)
    return used


async def milliseconds_a_request(system: System, body: bytes, seconds: float) -> dict[str, float]:
    """Send one request after the other for a while; return each part's milliseconds for one."""
    before = processor_seconds(system)
    run = await load.run(f"{system.url}/chat", body, clients=CLIENTS, seconds=seconds)
    after = processor_seconds(system)
    return {part: (after[part] - before[part]) * 1000 / len(run.milliseconds) for part in after}
