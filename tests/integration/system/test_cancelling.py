"""Cancelling the whole way, on real parts, before a stand-in model that records what it generated."""

import asyncio
import json

import httpx
import pytest

from harness.processes.wait import until

SLOW = {"tokens": 400, "token_seconds": 0.05}


@pytest.fixture
async def system(start_system):
    """Every part, before a model that writes for twenty seconds."""
    return await start_system(**SLOW)


@pytest.fixture
async def http(system):
    """An HTTP client."""
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as client:
        yield client


async def outcomes(system):
    return [generation["outcome"] for generation in (await system.model.log())["generations"]]


async def waiting(system):
    admin = await system.bus.connect("provisioner")
    return (await admin.jetstream().stream_info("CHAT")).state.messages


async def events(lines):
    name = None
    async for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


async def asked(http, prompt):
    """Ask for a stream; return its response, its events, and the id that ``queued`` tells."""
    request = http.build_request("POST", "/chat", json={"prompt": prompt, "stream": True})
    response = await http.send(request, stream=True)
    heard = events(response.aiter_lines())
    name, data = await anext(heard)
    assert name == "queued"
    return response, heard, data["id"]


async def last_of(heard):
    return [event async for event in heard][-1]


async def hit(http, chat_id):
    answer = await http.delete(f"/chat/{chat_id}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["id"] == chat_id
    return answer.json()["hit"]


async def test_every_receipt_and_what_it_means(system, http):
    """Waiting, running, finished, unknown: the model writes for nobody who cancelled, and for all others."""
    first, first_heard, first_id = await asked(http, "first")
    await until(lambda: outcomes(system), what="the model is at the first")
    second, second_heard, second_id = await asked(http, "second")

    async with httpx.AsyncClient(
        base_url=system.url, transport=httpx.AsyncHTTPTransport(local_address="127.0.0.2")
    ) as stranger:
        assert await hit(stranger, first_id) == "unknown"
    assert await outcomes(system) == ["running"]

    assert await hit(http, second_id) == "waiting"
    assert await waiting(system) == 1
    name, data = await last_of(second_heard)
    assert (name, data["error"]["code"], data["error"]["id"]) == ("error", "cancelled", second_id)
    assert await outcomes(system) == ["running"], "the running one is not disturbed"

    assert await hit(http, first_id) == "running"
    name, data = await last_of(first_heard)
    assert (name, data["error"]["code"]) == ("error", "cancelled")
    await until(lambda: _is(system, ["cancelled"]), what="the model stopped")
    assert await hit(http, first_id) == "finished"
    assert await hit(http, "0190a5d0-0000-7000-8000-000000000001") == "unknown"
    assert (await http.delete("/chat/seven")).json()["error"]["code"] == "not_found"
    await until(lambda: _is_empty(system), what="no place is taken")
    for response in (first, second):
        await response.aclose()
    assert await system.model.prompts() == ["first"]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_goes_away_frees_the_model(system, stream):
    """Its connections close in mid-answer: the model is stopped, and nothing of its is answered any more.

    Three cancellations have no order: while the first frees the model, the second may just be taken up,
    and is stopped then.
    """
    body = {"prompt": "leaving", "stream": stream}
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as leaving:
        tasks = [asyncio.create_task(leaving.post("/chat", json=body)) for _ in range(3)]
        await until(lambda: outcomes(system), what="the model is at it")
        await until(lambda: _holds(system, 3), what="all are accepted")
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    await until(lambda: _is_empty(system), what="no place is taken")

    async def stopped():
        return set(await outcomes(system)) == {"cancelled"}

    await until(stopped, what="the model stopped")


async def test_a_client_that_goes_away_under_a_key_can_come_back(start_system):
    """Under a key the request goes on, and the answer is there for whoever asks again."""
    system = await start_system(tokens=20, token_seconds=0.05)
    keyed = {"Idempotency-Key": "k"}
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as http:
        task = asyncio.create_task(http.post("/chat", json={"prompt": "x"}, headers=keyed))
        await until(lambda: outcomes(system), what="the model is at it")
        task.cancel()
        await asyncio.wait([task])
        answer = await http.post("/chat", json={"prompt": "x"}, headers=keyed)
    assert answer.json()["response"].startswith("echo: x")
    assert await outcomes(system) == ["done"]


async def test_a_direct_client_cancels_its_own_alone(start_system):
    """Over NATS: mallory cannot hit alice's request with its id, and alice's own cancellation stops it."""
    system = await start_system(clients=("alice", "mallory"), **SLOW)
    mallory = await system.bus.connect("mallory")
    alice = await system.bus.connect("alice")
    hearing = await alice.subscribe("_INBOX.hearing")
    await alice.publish("chat.request", b'{"prompt":"hi"}', "_INBOX.hearing", {"Chat-Events": "state"})
    chat_id = json.loads((await hearing.next_msg(timeout=30)).data)["id"]
    await until(lambda: outcomes(system), what="the model is at it")
    posing = {"Chat-Client": "alice"}
    missed = await mallory.request(f"chat.cancel.{chat_id}", b"", timeout=30, headers=posing)
    assert json.loads(missed.data) == {"id": chat_id, "hit": "unknown"}
    assert await outcomes(system) == ["running"]
    receipt = await alice.request(f"chat.cancel.{chat_id}", b"", timeout=30)
    assert json.loads(receipt.data) == {"id": chat_id, "hit": "running"}
    assert (await hearing.next_msg(timeout=30)).headers["Chat-Event"] == "started"
    error = await hearing.next_msg(timeout=30)
    assert error.headers["Nats-Service-Error"] == "cancelled"
    await until(lambda: _is(system, ["cancelled"]), what="the model stopped")


async def test_a_lane_is_named_over_http(system, http):
    """``Stile-Lane`` is the request's lane on the bus; another word is an error that names the header."""
    answer = await http.post("/chat", json={"prompt": "x"}, headers={"Stile-Lane": "express"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "Stile-Lane")
    async with http.stream(
        "POST", "/chat", json={"prompt": "x", "stream": True}, headers={"Stile-Lane": "batch"}
    ) as response:
        await anext(events(response.aiter_lines()))
        admin = await system.bus.connect("provisioner")
        info = await admin.jetstream().stream_info("CHAT", subjects_filter="chat.approved.>")
    assert [subject.split(".")[2] for subject in info.state.subjects] == ["batch"]


async def _is(system, expected):
    return await outcomes(system) == expected


async def _holds(system, count):
    return await waiting(system) == count


async def _is_empty(system):
    return await waiting(system) == 0
