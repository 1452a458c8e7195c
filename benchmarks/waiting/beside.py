"""One client attacks: how long does another client wait, without the attack and during it?

The attacker is a direct client, or another address of this machine (Linux has all of 127.0.0.0/8).
With the stand-in model, the gateway or the filter is attacked; with the real small model, llama.cpp
is. Each wait is the time of a whole short request. The requests are sent one after the other.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import httpx  # noqa: E402
from measuring.machine import load, machine, write  # noqa: E402

from harness.models.llama import Llama  # noqa: E402
from harness.models.standin import Standin  # noqa: E402
from harness.nats import flood  # noqa: E402
from harness.parts.system import System  # noqa: E402
from harness.processes.process import Process  # noqa: E402
from stile.keys import credentials  # noqa: E402

POLICY = HERE / "policy.yml"
ATTACKER = "127.0.0.2"
TOKENS, TOKEN_SECONDS = 10, 0.02
FLOOD = 400_000
"""More messages than can be sent while the waits are measured."""
SLOW_BODIES, IDLE_CONNECTIONS, FOLLOWERS = 2010, 4200, 2030
BODY = b'{"prompt": "Why is the sky blue?", "max_tokens": 8}'
HEAD = "Host: localhost\r\nContent-Type: application/json\r\n"

Attack = Callable[[System], contextlib.AbstractAsyncContextManager[None]]


@dataclass
class Row:
    """The waits of one client during one attack, in seconds."""

    client: str
    attack: str
    waits: list[float]
    failures: int


@asynccontextmanager
async def nothing(_system: System) -> AsyncIterator[None]:
    """Do not attack: the baseline."""
    yield


@asynccontextmanager
async def flooding(system: System) -> AsyncIterator[None]:
    """Publish `{}` as a direct client, as fast as possible."""
    seed = credentials.seed_file(system.bus.seeds, "mallory")
    log = system.folder / "flood.log"
    argv = (sys.executable, flood.__file__, system.bus.url, seed, "chat.request", "{}", str(FLOOD))
    process = Process(*argv, log=log)
    try:
        await asyncio.sleep(2)
        if process.exit_code is not None:
            raise RuntimeError(process.output())
        yield
    finally:
        process.stop()


def connections(count: int, sent: Callable[[System], Awaitable[bytes]]) -> Attack:
    """Open connections from the attacker's address, send the same on each, and hold on."""

    @asynccontextmanager
    async def attack(system: System) -> AsyncIterator[None]:
        first = await sent(system)
        writers = []
        for _ in range(count):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", system.port, local_addr=(ATTACKER, 0))
                writer.write(first)
                writers.append(writer)
        try:
            yield
        finally:
            for writer in writers:
                writer.transport.abort()

    return attack


async def slow_body(_system: System) -> bytes:
    """Send bodies that are shorter than their announced length."""
    return f"POST /chat HTTP/1.1\r\n{HEAD}Content-Length: 1000\r\n\r\n{{".encode()


async def silence(_system: System) -> bytes:
    """Send nothing."""
    return b""


async def follower(system: System) -> bytes:
    """Follow the attacker's own request."""
    transport = httpx.AsyncHTTPTransport(local_address=ATTACKER)
    async with httpx.AsyncClient(transport=transport, timeout=60) as http:
        told = {"Prefer": "respond-async"}
        asked = await http.post(f"{system.url}/chat", json={"prompt": "Wait."}, headers=told)
    chat_id = asked.raise_for_status().json()["id"]
    return f"GET /chat/{chat_id} HTTP/1.1\r\n{HEAD}Accept: text/event-stream\r\n\r\n".encode()


def schemas(schema: dict[str, object]) -> Attack:
    """Send requests with ``schema``, and close each connection after two seconds."""
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    body = {"prompt": "x", "max_tokens": 4, "response_format": wanted}

    @asynccontextmanager
    async def attack(system: System) -> AsyncIterator[None]:
        async def again() -> None:
            transport = httpx.AsyncHTTPTransport(local_address=ATTACKER)
            async with httpx.AsyncClient(transport=transport, timeout=2) as http:
                while True:
                    with contextlib.suppress(httpx.TimeoutException):
                        await http.post(f"{system.url}/chat", json=body)

        task = asyncio.create_task(again())
        await asyncio.sleep(2)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    return attack


async def over_http(system: System, count: int) -> tuple[list[float], int]:
    """Send requests over HTTP, each on a new connection."""
    waits, failures = [], 0
    for _ in range(count):
        began = time.perf_counter()
        async with httpx.AsyncClient(timeout=60) as http:
            told = {"Content-Type": "application/json"}
            answer = await http.post(f"{system.url}/chat", content=BODY, headers=told)
        waits.append(time.perf_counter() - began)
        failures += answer.status_code != 200
    return waits, failures


async def over_nats(system: System, count: int) -> tuple[list[float], int]:
    """Send requests as a direct client."""
    alice = await system.bus.connect("alice")
    waits, failures = [], 0
    for _ in range(count):
        began = time.perf_counter()
        try:
            answer = await alice.request("chat.request", BODY, timeout=60)
            failures += "error" in json.loads(answer.data)
        except TimeoutError:
            failures += 1
        waits.append(time.perf_counter() - began)
    return waits, failures


PATTERN = {"type": "string", "pattern": "^(.?){1999}(.?){1999}(.?){1999}(.?){1999}$"}
DEAREST = {"anyOf": [{"type": "string", "maxLength": 8}] * 380}
"""A schema that costs nearly as much as the policy allows."""

BEFORE_THE_STANDIN: dict[str, Attack] = {
    "nothing": nothing,
    "a direct client's flood": flooding,
    f"{SLOW_BODIES} slow bodies": connections(SLOW_BODIES, slow_body),
    f"{FOLLOWERS} followers": connections(FOLLOWERS, follower),
    f"{IDLE_CONNECTIONS} idle connections": connections(IDLE_CONNECTIONS, silence),
}
BEFORE_THE_MODEL: dict[str, Attack] = {
    "nothing": nothing,
    "a pattern of 80 bytes, again and again": schemas(PATTERN),
    "the dearest schema that is let through, again and again": schemas(DEAREST),
}


async def measure(model: Standin | Llama, folder: Path, attacks: dict[str, Attack], count: int) -> list[Row]:
    """Measure each client during each attack."""
    rows = []
    settings = {"STILE_POLICY": str(POLICY)}
    async with AsyncExitStack() as stack:
        system = System(folder, model, clients=("alice", "mallory"), settings=settings)  # type: ignore[arg-type]
        stack.push_async_callback(system.stop)
        await system.start()
        for name, attack in attacks.items():
            for client, ask in (("HTTP", over_http), ("direct", over_nats)):
                async with attack(system):
                    rows.append(Row(client, name, *await ask(system, count)))
    return rows


def table(title: str, rows: list[Row]) -> list[str]:
    """Make one table."""
    lines = [
        "",
        f"## {title}",
        "",
        "| client | beside | median | worst | not answered |",
        "|---|---|---|---|---|",
    ]
    return lines + [
        f"| {row.client} | {row.attack} | {statistics.median(row.waits):.2f} | {max(row.waits):.2f} "
        f"| {row.failures} of {len(row.waits)} |"
        for row in rows
    ]


async def main() -> None:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10, help="requests beside each attack")
    count = parser.parse_args().count
    lines = ["# One client attacks, another one asks", "", *machine(), load(), ""]
    lines.append("Seconds of a whole short request on a connection of its own, one after the other.")
    (scratch := HERE.parent / ".stile").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        for title, real in (("A stand-in whose answers take 0.2 s", False), ("The real small model", True)):
            (folder := Path(name) / str(real)).mkdir()
            model = Llama(folder) if real else Standin(folder, tokens=TOKENS, token_seconds=TOKEN_SECONDS)
            attacks = BEFORE_THE_MODEL if real else BEFORE_THE_STANDIN
            lines += table(title, await measure(await model.start(), folder, attacks, count))
    write("beside", "\n".join(lines) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
