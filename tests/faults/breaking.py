"""The faults: what is killed, paused or cut, and when it is whole again."""

import asyncio
import random
import resource
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from uuid import uuid4

import nats.errors
import nats.js.errors
from nats.aio.client import Client

from faults.proxy import Proxy
from harness.models.standin import Standin
from harness.parts.consumer import Consumer
from harness.parts.system import System
from harness.processes.wait import until

PAUSE_SECONDS = 12.0
"""Longer than a worker's lease of 10 s."""
CUT_SECONDS = (1.0, 4.0)
PARTS = ("filter", "consumer", "gateway")


class Kind(StrEnum):
    """What goes wrong."""

    FILTER = "kill -9 filter"
    CONSUMER = "kill -9 consumer"
    GATEWAY = "kill -9 gateway"
    NATS = "kill -9 nats-server"
    LLAMA = "kill -9 llama.cpp"
    PAUSE = "pause consumer"
    NETWORK = "cut network"
    LINK = "cut llama.cpp"
    DISK = "fill disk"
    ALL = "kill -9 everything"

    @property
    def excuses_repeats(self) -> bool:
        """Whether a request may have to be generated again after it.

        The filter and the gateway have no part in a generation: after their deaths none is repeated.
        """
        return self not in {Kind.FILTER, Kind.GATEWAY}

    @property
    def is_cut(self) -> bool:
        """Whether nothing recovers before it is over."""
        return self in {Kind.NETWORK, Kind.LINK}

    @property
    def killed(self) -> frozenset[str]:
        """The parts that are other processes after it."""
        parts = {
            Kind.FILTER: {"filter"},
            Kind.CONSUMER: {"consumer"},
            Kind.GATEWAY: {"gateway"},
            Kind.NATS: {"nats-server"},
            Kind.DISK: {"nats-server"},
            Kind.ALL: {"filter", "consumer", "gateway", "nats-server"},
        }
        return frozenset(parts.get(self, set()))

    @property
    def excused_errors(self) -> frozenset[str]:
        """The final errors that it may end a request with, by their codes."""
        model = {Kind.LLAMA, Kind.LINK, Kind.ALL}
        broken = {"model_failed", "model_unavailable"} if self in model else set()
        # A worker that is killed in each of three deliveries of one request has it ended with this.
        repeated = {"too_many_attempts"} if self.excuses_repeats else set()
        return frozenset(broken | repeated)


@dataclass
class Fault:
    """One of them; times in seconds since the epoch."""

    kind: Kind
    at: float = field(default_factory=time.time)
    over: float | None = None
    """When whatever was broken had been started again."""
    what: str = ""


class Breaker:
    """Breaks a running system, and starts again what it broke.

    Args:
        system: not started yet: its parts will reach the bus through proxies.
        model: the system's stand-in.
        folder: for a second worker's files.
        chance: what is random in it.
        second: the second worker's stand-in; it comes when the first worker is paused.
    """

    def __init__(
        self, system: System, model: Standin, second: Standin, folder: Path, chance: random.Random
    ) -> None:
        self.faults: list[Fault] = []
        self._system = system
        self._model = model
        self._second = second
        self._folder = folder
        self._chance = chance
        self._proxies: dict[str, Proxy] = {}
        self._to_model = Proxy(model.port)

    async def start(self) -> None:
        """Start the system behind its proxies."""
        for part in PARTS:
            self._proxies[part] = proxy = await Proxy(self._system.bus.port).start()
            self._system.nats_urls[part] = f"nats://127.0.0.1:{proxy.port}"
        await self._to_model.start()
        await self._system.start()

    async def stop(self) -> None:
        """End the proxies; the system is its maker's to end."""
        for proxy in (*self._proxies.values(), self._to_model):
            await proxy.stop()

    async def prepare(self, kind: Kind) -> None:
        """Put the proxy between the consumer and llama.cpp where that is what will be cut, else take it out.

        It takes a connection before it knows that llama.cpp is gone, so behind it no death of llama.cpp looks
        as it does without.
        """
        through = f"http://127.0.0.1:{self._to_model.port}" if kind is Kind.LINK else None
        if through == self._system.model_url:
            return
        self._system.model_url = through
        await asyncio.to_thread(self._system.parts["consumer"].stop)
        self._system.start_part("consumer")
        await self._system.ready()

    async def do(self, kind: Kind) -> Fault:
        """Break something; return when it has been started again, not when it has recovered."""
        breaking: dict[Kind, Callable[[Fault], Awaitable[None]]] = {
            Kind.FILTER: self._part,
            Kind.CONSUMER: self._consumer,
            Kind.GATEWAY: self._part,
            Kind.NATS: self._nats,
            Kind.LLAMA: self._llama,
            Kind.PAUSE: self._pause,
            Kind.NETWORK: self._network,
            Kind.LINK: self._link,
            Kind.DISK: self._disk,
            Kind.ALL: self._all,
        }
        self.faults.append(fault := Fault(kind))
        await breaking[kind](fault)
        fault.over = time.time()
        return fault

    async def _part(self, fault: Fault) -> None:
        part = fault.kind.value.split()[-1]
        self._system.parts[part].kill()
        await self._down()
        self._system.start_part(part)

    async def _consumer(self, fault: Fault) -> None:
        await until(self._writes, within=60, what="the model writes")
        fault.at = time.time()
        await self._part(fault)

    async def _nats(self, _: Fault) -> None:
        self._system.bus.kill()
        await self._down()
        await self._system.bus.start()

    async def _llama(self, fault: Fault) -> None:
        await until(self._writes, within=60, what="the model writes")
        fault.at = time.time()
        self._kill_model()
        await self._down()
        await self._model.start()

    async def _pause(self, fault: Fault) -> None:
        """The worker stands still with a job in its hand; another, with a model of its own, takes it."""
        await self._second.start()
        other = Consumer(self._folder, self._system.bus, self._second.url)
        await other.start()
        await until(self._writes, within=60, what="the model writes")
        fault.at = time.time()
        paused = self._system.parts["consumer"]
        paused.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(PAUSE_SECONDS)
        finally:
            paused.signal(signal.SIGCONT)
        await asyncio.to_thread(other.process.stop)
        await asyncio.to_thread(self._second.stop)

    async def _network(self, fault: Fault) -> None:
        part = self._chance.choice(PARTS)
        await self._cut(self._proxies[part], fault, f"{part} and bus")

    async def _link(self, fault: Fault) -> None:
        """In mid-answer: lost packets come late, a reset connection ends the answer (`model_failed`)."""
        await until(self._writes, within=60, what="the model writes")
        fault.at = time.time()
        await self._cut(self._to_model, fault, "consumer and llama.cpp")

    async def _cut(self, proxy: Proxy, fault: Fault, between: str) -> None:
        fault.what = f"{self._chance.choice(('lost', 'reset'))} between {between}"
        (proxy.hold if fault.what.startswith("lost") else proxy.cut)()
        try:
            await asyncio.sleep(self._chance.uniform(*CUT_SECONDS))
        finally:
            await proxy.mend()

    async def _disk(self, fault: Fault) -> None:
        """No write goes beyond a file's first KiB, as on a disk that is full; then there is room again.

        nats-server 2.15 takes nothing more into a stream that it could not write to, room or not, until it is
        started anew; that is what operations.md tells to do.
        """
        pid = self._system.bus.pid
        limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        writer = await self._system.bus.connect("filter")
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1024, limits[1]))
        await until(lambda: _is_full(writer), within=30, what="the disk is full")
        await asyncio.sleep(self._chance.uniform(*CUT_SECONDS))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        await writer.close()
        await self._nats(fault)

    async def _all(self, _: Fault) -> None:
        for part in PARTS:
            self._system.parts[part].kill()
        self._system.bus.kill()
        self._kill_model()
        await self._down()
        await self._model.start()
        await self._system.bus.start()
        for part in PARTS:
            self._system.start_part(part)

    def _kill_model(self) -> None:
        if self._model.process is not None:
            self._model.process.kill()

    async def _down(self) -> None:
        await asyncio.sleep(self._chance.uniform(0.0, 1.0))

    async def _writes(self) -> bool:
        record = await self._model.log()
        return any(entry["outcome"] == "running" and entry["tokens"] for entry in record["generations"])


async def _is_full(writer: Client) -> bool:
    """Try to store something; a stream that cannot write acknowledges nothing."""
    try:
        await writer.jetstream().publish(f"chat.result.http-disk.{uuid4()}", bytes(1024), timeout=1)
    except (nats.errors.Error, nats.js.errors.Error):
        return True
    return False
