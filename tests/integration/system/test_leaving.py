"""Clients that leave under a key and do not come back, on real parts (docs/adr/0012)."""

import asyncio
import re
from uuid import UUID

import httpx
import pytest

from harness.parts.gateway import Gateway
from harness.processes.wait import until
from stile_contracts.ids import keyed_id

CLIENT = "http-127-0-0-1"
IMPATIENT = {"STILE_UNHEARD_TIMEOUT": "1"}


@pytest.fixture
async def system(start_system):
    """Every part, before a model that writes for twenty seconds."""
    return await start_system(tokens=400, token_seconds=0.05, settings=IMPATIENT)


@pytest.fixture
async def http(system):
    """A client of the system's own gateway."""
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as client:
        yield client


@pytest.fixture
async def other(system, tmp_path):
    """A client of a second gateway on the same bus."""
    gateway = await Gateway(system.bus, tmp_path, **IMPATIENT).start()
    await gateway.connected()
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
        yield client
    await gateway.stop()


def ask(http, key):
    """Ask under a key, and wait for the answer."""
    return asyncio.create_task(http.post("/chat", json={"prompt": key}, headers={"Idempotency-Key": key}))


async def leave(asking):
    """Close the connection of whoever asks."""
    asking.cancel()
    await asyncio.wait([asking])


async def outcomes(system):
    return [generation["outcome"] for generation in (await system.model.log())["generations"]]


async def held(system):
    """How many requests wait or run."""
    admin = await system.bus.connect("provisioner")
    return (await admin.jetstream().stream_info("CHAT")).state.messages


async def test_nobody_comes_back_and_the_model_is_free(system, http):
    """One that runs and one that waits: the model stops, the queue empties, the keys' outcomes say why."""
    running = ask(http, "running")
    await until(lambda: outcomes(system), what="the model is at it")
    waiting = ask(http, "waiting")

    async def both():
        return await held(system) == 2

    await until(both, what="both are accepted")
    await asyncio.gather(leave(running), leave(waiting))

    async def none():
        return await held(system) == 0

    await until(none, what="no place is taken")

    async def stopped():
        return await outcomes(system) == ["cancelled"]

    await until(stopped, what="the model stopped")
    for key in ("running", "waiting"):
        assert (await ask(http, key)).json()["error"]["code"] == "cancelled"


async def test_whoever_waits_at_another_gateway_is_not_cancelled(system, http, other):
    """The first gateway asks before it cancels: while somebody listens at the second, the model writes on."""
    first = ask(http, "k")
    await until(lambda: outcomes(system), what="the model is at it")
    second = ask(other, "k")
    await until(lambda: joined(other), what="the second gateway has it")
    await leave(first)
    # A third request's clock starts after the first's, and has run out: so had the first's.
    third = ask(http, "later")

    async def accepted():
        return await held(system) == 2

    await until(accepted, what="the third is accepted")
    await leave(third)
    await until(lambda: keyed_id(CLIENT, "later") in unheard(system), what="the third was ended")
    assert keyed_id(CLIENT, "k") not in unheard(system)
    assert await outcomes(system) == ["running"]
    await leave(second)

    async def stopped():
        return await outcomes(system) == ["cancelled"]

    await until(stopped, what="the second gateway ended it")


def unheard(system):
    """Return the ids of what the system's own gateway has ended."""
    lines = (system.folder / "gateway.log").read_text().splitlines()
    ended = [re.search(r"chat_id=(\S+)", line) for line in lines if "request abandoned" in line]
    return [UUID(match[1]) for match in ended if match]


async def joined(http):
    """Whether the gateway holds a request."""
    return "stile_gateway_held 1.0" in (await http.get("/metrics")).text
