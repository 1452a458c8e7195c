"""What a long history costs the filter, and what short requests of another client wait meanwhile.

    .venv/bin/python benchmarks/guard/scanning.py

The real filter on a real nats-server, with the shipped policy. A history is 900 kB in 29 messages of everyday
sentences; the next turn is the same with one short message more. Short requests are sent one after the other.
"""

import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from harness.clients.request_sender import RequestSender
from harness.nats.bus import Bus
from harness.processes.process import BIN, Process
from harness.processes.wait import until

ROOT = Path(__file__).parents[2]
SENTENCES = [
    line
    for line in (ROOT / "filter-service/tests/data/everyday.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
MESSAGES = 29
MESSAGE_BYTES = 31_000
ROUNDS = 5
CLIENT_REQUESTS = 20
"""A client's name is used for so many short requests, as its queue is bounded."""


def message(rng: random.Random) -> str:
    """Return a text of ``MESSAGE_BYTES``."""
    text, size = [], 0
    while size < MESSAGE_BYTES:
        text.append(rng.choice(SENTENCES))
        size += len(text[-1].encode()) + 1
    return " ".join(text[:-1])


def processor_seconds(process: psutil.Process) -> float:
    """Return what the filter and its scanners' processes have used."""
    times = [part.cpu_times() for part in (process, *process.children(recursive=True))]
    return sum(used.user + used.system for used in times)


class Bench:
    """Asks, and measures."""

    def __init__(self, sender: RequestSender, process: psutil.Process) -> None:
        self._sender = sender
        self._process = process
        self._number = 0

    async def ask(self, body: dict, client: str) -> float:
        """Return the seconds until the request is accepted."""
        self._number += 1
        number, began = self._number, time.perf_counter()
        await self._sender.ask(number, body, Chat_Client=client)
        while str(number) not in self._sender.heard:  # noqa: ASYNC110 -- the harness keeps a dict
            await asyncio.sleep(0.0005)
        took = time.perf_counter() - began
        [said, *_] = self._sender.heard[str(number)]
        if said.headers.get("Chat-Event") != "accepted":
            sys.exit(f"not accepted: {said.data.decode()}")
        return took

    async def costs(self, body: dict) -> tuple[float, float]:
        """Return the seconds and the processor's seconds of a request with nothing beside it."""
        used = processor_seconds(self._process)
        took = await self.ask(body, "http-ada")
        return took, processor_seconds(self._process) - used

    async def beside(self, body: dict | None, name: str, least: int = 0) -> list[float]:
        """Return the seconds of short requests, as many as are decided while the other one is checked."""
        long = asyncio.create_task(self.ask(body, "http-ada")) if body else None
        took: list[float] = []
        while len(took) < least or (long and not long.done()):
            client = f"http-{name}-{len(took) // CLIENT_REQUESTS}"
            took.append(await self.ask({"prompt": f"Why is the sky blue? {name} {len(took)}"}, client))
        if long:
            await long
        return took


def row(name: str, seconds: list[float]) -> str:
    """Return a line of the table."""
    ms = sorted(took * 1000 for took in seconds)
    slow = ms[int(len(ms) * 0.99)]
    return f"| {name} | {len(ms)} | {statistics.median(ms):.0f} | {slow:.0f} | {ms[-1]:.0f} |"


async def main() -> None:
    """Measure, and print two tables."""
    rng = random.Random(11)
    with tempfile.TemporaryDirectory() as folder:
        bus = await Bus(Path(folder)).start()
        environment = bus.environment("filter")
        environment["STILE_POLICY"] = str(ROOT / "filter-service/policy.yml")
        process = Process(BIN / "stile-filter", log=Path(folder) / "filter.log", env=environment)
        try:
            await until(lambda: "filter_ready" in process.output(), within=120, what="the filter is ready")
            await asyncio.sleep(5)  # its spare is built
            sender = await RequestSender(await bus.connect("gateway")).listen()
            bench = Bench(sender, psutil.Process(process.pid))
            first, then = [], []
            for _ in range(ROUNDS):
                turns = [{"role": "user", "content": message(rng)} for _ in range(MESSAGES)]
                first.append(await bench.costs({"messages": turns}))
                turns.append({"role": "user", "content": "And what follows from that?"})
                then.append(await bench.costs({"messages": turns}))
            print("| | seconds | processor seconds |\n|---|---|---|")
            for name, costs in (("first verdict", first), ("next turn", then)):
                took, used = (statistics.median(column) for column in zip(*costs, strict=True))
                print(f"| {name} | {took:.2f} | {used:.2f} |")
            alone = await bench.beside(None, "alone", least=100)
            beside = []
            for number in range(ROUNDS):
                turns = [{"role": "user", "content": message(rng)} for _ in range(MESSAGES)]
                beside += await bench.beside({"messages": turns}, f"beside-{number}")
            print("\n| short requests | number | p50, ms | p99, ms | worst, ms |\n|---|---|---|---|---|")
            print(row("alone", alone))
            print(row("beside a history", beside))
            print(f"\nload before: {os.getloadavg()[0]:.1f}")
        finally:
            process.stop()
            await bus.stop()


if __name__ == "__main__":
    asyncio.run(main())
