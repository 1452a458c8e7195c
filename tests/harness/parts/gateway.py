"""The gateway as a process, and a responder that speaks the protocol in the filter's and consumer's place."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

from nats.aio.client import Client
from nats.aio.msg import Msg

from harness.nats.bus import Bus
from harness.processes import plain_http
from harness.processes.ports import free_port
from harness.processes.process import BIN, Process
from harness.processes.wait import until


class Gateway:
    """A ``stile-gateway`` on a free port, in front of ``bus``.

    Args:
        bus: started or not; the gateway waits for it.
        folder: for its log.
        settings: further variables.
    """

    def __init__(self, bus: Bus, folder: Path, **settings: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {**bus.environment("gateway"), "STILE_PORT": str(self.port), **settings}
        self._log = folder / f"gateway-{self.port}.log"
        self._process: Process | None = None

    async def start(self) -> Self:
        """Start it, and wait until it answers."""
        self._process = Process(BIN / "stile-gateway", log=self._log, env=self._environment)

        async def answers() -> bool:
            return await plain_http.status(f"{self.url}/healthz") == 200

        await until(answers, within=90, what="the gateway answers")
        return self

    async def refused(self) -> str:
        """Start it, wait until it has refused to, with exit code 1, and return what it said."""
        self._process = process = Process(BIN / "stile-gateway", log=self._log, env=self._environment)
        await until(lambda: process.exit_code is not None, within=60, what="the gateway refuses")
        if process.exit_code != 1:
            raise RuntimeError(f"exit code {process.exit_code}")
        return process.output()

    async def connected(self) -> None:
        """Wait until it has the bus."""
        await until(lambda: self.part("bus"), within=30, what="the gateway has the bus")

    async def part(self, name: str) -> bool:
        """Ask it whether ``bus``, ``filter`` or ``consumer`` is ready."""
        async with plain_http.client() as client:
            answer = await client.get(f"{self.url}/readyz")
        return bool(answer.json()["parts"][name]["ready"])

    @property
    def process(self) -> Process:
        """Its process; start it first."""
        if self._process is None:
            raise RuntimeError("start the gateway first")
        return self._process

    async def stop(self) -> int | None:
        """End it; return its exit code."""
        return await asyncio.to_thread(self._process.stop) if self._process else None


Answerer = Callable[["Responder", Msg], Awaitable[None]]


class Responder:
    """Takes requests as the filter does and says what a test has it say.

    Who looks a request up is told what was said of it last.

    Args:
        client: connected as ``filter``.
        answer: called with this responder and each request.
    """

    def __init__(self, client: Client, answer: Answerer) -> None:
        self.client = client
        self.requests: list[Msg] = []
        self.lookups: list[Msg] = []
        self.cancels: list[Msg] = []
        self._last: dict[tuple[str, str], tuple[str, bytes]] = {}
        self._answer = answer

    async def start(self) -> Self:
        """Begin to listen."""
        await self.client.subscribe("chat.request.gateway", queue="filter", cb=self._hear)
        await self.client.subscribe("chat.cancel.gateway.*", queue="filter", cb=self._cancel)
        await self.client.subscribe("chat.outcome.gateway.*", queue="filter", cb=self._look_up)
        await self.client.flush()
        return self

    async def say(self, request: Msg, event: str, attempt: int, seq: int | None, **body: Any) -> None:
        """Send one event of ``request``; a ``position`` has no number."""
        chat_id = request.headers["Chat-Id"]
        headers = {"Chat-Id": chat_id, "Chat-Event": event, "Chat-Attempt": str(attempt)}
        if seq is not None:
            headers["Chat-Seq"] = str(seq)
        data = json.dumps(body).encode()
        if event != "token":
            known = "position" if event == "accepted" else event
            self._last[request.headers["Chat-Client"], chat_id] = known, data
        await self.client.publish(request.reply, data, headers=headers)

    async def accept(self, request: Msg, **place: Any) -> None:
        """Say ``accepted``, with the request's place where one is given."""
        await self.say(request, "accepted", 0, 0, id=request.headers["Chat-Id"], **place)

    async def move(self, request: Msg, **place: Any) -> None:
        """Say ``position``."""
        await self.say(request, "position", 0, None, id=request.headers["Chat-Id"], **place)

    async def finish(self, request: Msg, response: str = "blue", seq: int = 0, **fields: Any) -> None:
        """Say ``done``."""
        await self.say(request, "done", 1, seq, response=response, id=request.headers["Chat-Id"], **fields)

    async def fail(self, request: Msg, code: str, **fields: Any) -> None:
        """Say ``error``."""
        error = {"code": code, "message": "So it is.", "type": "stile_error", "final": False, **fields}
        await self.say(request, "error", 0, 0, error=error)

    async def whole(self, request: Msg) -> None:
        """Answer as the real parts do: every event that was asked for, and the end of a stream."""
        await self.accept(request)
        await self.say(request, "started", 1, 0, id=request.headers["Chat-Id"], model="stand-in")
        if request.headers["Chat-Events"] != "token":
            await self.finish(request, seq=1)
            return
        await self.say(request, "token", 1, 1, text="bl")
        await self.say(request, "token", 1, 2, text="ue")
        await self.finish(request, seq=3)
        await self.client.publish(request.reply, b"")

    async def _cancel(self, request: Msg) -> None:
        """Nothing is known of any request."""
        self.cancels.append(request)
        if request.reply:
            receipt = {"id": request.subject.split(".")[-1], "hit": "unknown"}
            await self.client.publish(request.reply, json.dumps(receipt).encode())

    async def _look_up(self, request: Msg) -> None:
        self.lookups.append(request)
        error = {"code": "not_found", "message": "Unknown.", "type": "stile_error", "final": True}
        unknown = "error", json.dumps({"error": error}).encode()
        asked = request.headers["Chat-Client"], request.subject.split(".")[-1]
        event, data = self._last.get(asked, unknown)
        await self.client.publish(request.reply, data, headers={"Chat-Event": event})

    async def _hear(self, request: Msg) -> None:
        self.requests.append(request)
        await self._answer(self, request)


async def tell_finished(consumer: Client, request: Msg) -> None:
    """Say that ``request`` is settled, as the consumer does."""
    client, chat_id = request.headers["Chat-Client"], request.headers["Chat-Id"]
    await consumer.publish(f"chat.event.finished.interactive.{client}.{chat_id}", b"")
    await consumer.flush()


async def beat(client: Client, part: str, *, ready: bool = True, **fields: Any) -> None:
    """Send one heartbeat of ``part``; ``client`` is connected as that part."""
    body = {"part": part, "instance": "test", "version": "1", "ready": ready, **fields}
    await client.publish(f"chat.event.{part}", json.dumps(body).encode())
    await client.flush()
