"""A hold of the queue on real parts: nothing starts, nothing is lost, whatever is started again."""

import asyncio
import json
from uuid import UUID

import httpx
import pytest

from harness.processes.wait import until
from stile_runtime.console_client import ConsoleClient, ConsoleError


@pytest.fixture
async def system(start_system):
    """Every part, before a fast model."""
    return await start_system()


@pytest.fixture
async def http(system):
    """An HTTP client."""
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as client:
        yield client


@pytest.fixture
async def console(system):
    """The console's user."""
    return ConsoleClient(await system.bus.connect("console"))


async def detail(http):
    parts = (await http.get("/readyz")).json()["parts"]
    return parts["consumer"].get("detail")


async def shows_the_hold(http):
    return "on hold" in (await detail(http) or "")


async def waiting(console):
    return [request.id for request in (await console.queue()).waiting]


async def later(http, prompt):
    answer = await http.post("/chat", json={"prompt": prompt}, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202, answer.text
    return UUID(answer.json()["id"])


async def test_requests_wait_and_are_told_until_the_queue_is_resumed(system, http, console):
    """Accepted as ever, with the hold in the position and without an estimate; then all are answered."""
    assert (await console.hold()).held
    assert (await console.hold()).held, "twice is the same"
    await until(lambda: shows_the_hold(http), what="the gateway shows it")
    assert (await http.get("/readyz")).status_code == 200
    assert (await console.queue()).held

    heard = []

    async def stream():
        async with http.stream("POST", "/chat", json={"prompt": "hello", "stream": True}) as answer:
            name = ""
            async for line in answer.aiter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    heard.append((name, json.loads(line.removeprefix("data: "))))

    streaming = asyncio.create_task(stream())
    await until(lambda: heard, what="it is queued")
    name, data = heard[0]
    assert (name, data["held"], data["position"]) == ("queued", True, 0)
    assert "estimate_seconds" not in data
    chat_id = await later(http, "and this")
    await until(lambda: waiting(console), what="they wait")
    assert not await system.model.prompts()

    assert not (await console.resume()).held
    assert not (await console.resume()).held, "twice is the same"
    await streaming
    assert heard[-1][0] == "done"

    async def is_answered():
        return (await http.get(f"/chat/{chat_id}")).json().get("response")

    await until(is_answered, what="the other is answered, too")


async def test_a_hold_in_mid_answer_lets_the_answer_end(system, http, console):
    """Only the next one waits; it is told when the hold begins."""
    await system.model.speed(60, 0.05)
    first = await later(http, "first")
    await until(system.model.prompts, what="the model is at it")
    second = await later(http, "second")
    await console.hold()

    async def is_answered():
        return (await http.get(f"/chat/{first}")).json().get("response")

    await until(is_answered, what="the first is answered")
    assert await waiting(console) == [second]
    assert await system.model.prompts() == ["first"]


@pytest.mark.parametrize("part", ["consumer", "filter", "nats"])
async def test_a_hold_outlives_a_kill_of_each_part(system, http, console, part):
    """It lies in the queue itself."""
    await console.hold()
    chat_id = await later(http, "hello")
    if part == "nats":
        system.bus.kill()
        await system.bus.start()
    else:
        system.parts[part].kill()
        system.start_part(part)
    await system.ready()
    again = ConsoleClient(await system.bus.connect("console"))

    async def still_waits():
        try:
            queue = await again.queue()
        except ConsoleError:
            return False  # the filter is not there yet
        return queue.held and [one.id for one in queue.waiting] == [chat_id]

    await until(still_waits, what="it is on hold, and waits")
    await until(lambda: shows_the_hold(http), what="the gateway shows it")
    assert not await system.model.prompts()
    await again.resume()

    async def is_answered():
        return (await http.get(f"/chat/{chat_id}")).json().get("response")

    await until(is_answered, what="it is answered")
