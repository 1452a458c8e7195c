"""How the time of one request is divided: events on the bus, and the client's time over HTTP."""

import asyncio
import json
import statistics
import time
from dataclasses import dataclass
from uuid import uuid4

from nats.aio.msg import Msg

from harness.parts.system import System


@dataclass(frozen=True)
class Hops:
    """Medians in milliseconds from the request's publication."""

    accepted: float
    started: float
    done: float
    stream_write: float
    """One message into a stream, written to the disk and acknowledged."""


async def measure(system: System, body: bytes, count: int) -> Hops:
    """Ask ``count`` times, one after the other, as the gateway does, and note when each event comes."""
    gateway = await system.bus.connect("gateway")
    inbox = f"_INBOX_gateway.bench.{uuid4().hex}"
    events: asyncio.Queue[tuple[str, float]] = asyncio.Queue()

    async def hear(message: Msg) -> None:
        events.put_nowait(((message.headers or {})["Chat-Event"], time.perf_counter()))

    await gateway.subscribe(inbox, cb=hear)
    times: dict[str, list[float]] = {"accepted": [], "started": [], "done": []}
    for _ in range(count):
        headers = {
            "Chat-Id": str(uuid4()),
            "Chat-Client": "http-bench",
            "Chat-Events": "state",
            "Chat-Deadline": str(int((time.time() + 60) * 1000)),
        }
        begin = time.perf_counter()
        await gateway.publish("chat.request.gateway", body, reply=inbox, headers=headers)
        kind = ""
        while kind != "done":
            kind, at = await asyncio.wait_for(events.get(), 10)
            if kind in times:  # `position` is said now and then
                times[kind].append((at - begin) * 1000)
    medians = {kind: statistics.median(values) for kind, values in times.items()}
    return Hops(**medians, stream_write=await _stream_write(system, body, count))


async def _stream_write(system: System, body: bytes, count: int) -> float:
    client = await system.bus.connect("filter")
    js = client.jetstream()
    outcome = json.dumps({"response": body.decode(), "id": str(uuid4())}).encode()
    taken = []
    for _ in range(count):
        begin = time.perf_counter()
        await js.publish(f"chat.result.http-bench.{uuid4()}", outcome)
        taken.append((time.perf_counter() - begin) * 1000)
    return statistics.median(taken)
