"""Clients that come back for their answers, on real parts: restarts, streams that go on, cancellations."""

import asyncio
import json

import httpx
import pytest

from harness.processes.wait import until

LATER = {"Prefer": "respond-async"}
EVENTS = {"Accept": "text/event-stream", "Idempotency-Key": "k"}


@pytest.fixture
async def system(start_system):
    """Every part, before a model that writes for six seconds."""
    return await start_system(tokens=60, token_seconds=0.1)


async def generations(system):
    return [generation["outcome"] for generation in (await system.model.log())["generations"]]


async def restart_gateway(system):
    """Kill it, as a crash would, and start it again on its port."""
    system.parts["gateway"].kill()
    system.start_part("gateway")
    await system.ready()


async def test_an_answer_is_there_after_the_gateway_died(start_system):
    """Waiting, cancelled, done: each is told by a gateway that never saw the request; one generation each."""
    system = await start_system(tokens=400, token_seconds=0.05)
    async with httpx.AsyncClient(base_url=system.url, timeout=90) as http:
        first = (await http.post("/chat", json={"prompt": "first"}, headers=LATER)).headers["location"]
        second = (await http.post("/chat", json={"prompt": "second"}, headers=LATER)).headers["location"]
        await until(lambda: generations(system), what="the model is at the first")
        await restart_gateway(system)
        state = (await http.get(second)).json()
        assert (state["state"], state["position"]) == ("waiting", 1)
        assert (await http.delete(first)).json()["hit"] == "running"
        assert (await http.get(first)).json()["error"]["code"] == "cancelled"
        answer = await http.get(second, params={"wait": "60"})
    assert (answer.status_code, answer.json()["response"].split()[1]) == (200, "second")
    assert await generations(system) == ["cancelled", "done"]


async def test_a_stream_goes_on_after_the_gateway_died(system):
    """The key and the last id bring the rest of the answer: every word once, one generation."""
    body, text, last_id = {"prompt": "x"}, "", None
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as http:
        async with http.stream("POST", "/chat", json=body, headers=EVENTS) as response:
            async for line in response.aiter_lines():
                if line.startswith("id: "):
                    last_id = line.removeprefix("id: ")
                elif line.startswith('data: {"text"'):
                    text += json.loads(line.removeprefix("data: "))["text"]
                    if len(text) > 20:
                        break
        await restart_gateway(system)
        rest = await http.post("/chat", json=body, headers={**EVENTS, "Last-Event-ID": last_id})
        whole = await http.post("/chat", json=body, headers={"Idempotency-Key": "k"})
    assert "event: started" not in rest.text
    data = [json.loads(line[6:]) for line in rest.text.splitlines() if line.startswith("data: ")]
    text += "".join(one["text"] for one in data if "text" in one)
    assert text == whole.json()["response"] == data[-1]["response"]
    assert await generations(system) == ["done"]


@pytest.mark.parametrize("way", ["POST", "GET"])
async def test_a_stream_that_goes_on_brings_pieces_live(start_system, way):
    """The next gateway has the worker's events sent to it, too: pieces come while the model writes."""
    system = await start_system(tokens=200, token_seconds=0.1)
    body, text, last_id = {"prompt": "x"}, "", None
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as http:
        async with http.stream("POST", "/chat", json=body, headers=EVENTS) as response:
            async for name, data, event_id in events_of(response):
                last_id = event_id or last_id
                chat_id = data.get("id", "")
                if name == "started":
                    here = f"/chat/{chat_id}"
                if name == "token":
                    text += data["text"]
                    if len(text) > 10:
                        break
        await restart_gateway(system)
        resume = {**EVENTS, "Last-Event-ID": last_id}
        again = ("POST", "/chat", {"json": body}) if way == "POST" else ("GET", here, {})
        pieces, running = 0, 0
        async with http.stream(*again[:2], headers=resume, **again[2]) as response:
            async for name, data, _ in events_of(response):
                if name == "token":
                    text += data["text"]
                    pieces += 1
                    running += await generations(system) == ["running"]
                elif name == "done":
                    whole = data["response"]
    assert text == whole
    assert pieces >= running > 3
    assert await generations(system) == ["done"]


async def events_of(response):
    """Yield each event's name, data and id."""
    event = {}
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if line and name:
            event[name] = value
        elif "event" in event:
            yield event["event"], json.loads(event["data"]), event.get("id")
            event = {}


async def test_a_stream_that_is_asynchronous_outlives_its_client(start_system):
    """A client that prefers to come back may listen too; if it goes, the request goes on to its end."""
    headers = {"Accept": "text/event-stream", **LATER}
    system = await start_system(settings={"STILE_UNHEARD_TIMEOUT": "1"}, tokens=40, token_seconds=0.1)
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as http:
        async with http.stream("POST", "/chat", json={"prompt": "x"}, headers=headers) as response:
            assert response.headers["preference-applied"] == "respond-async"
            async for line in response.aiter_lines():
                if line.startswith('data: {"text"'):
                    break
                if line.startswith('data: {"id"'):
                    chat_id = json.loads(line.removeprefix("data: "))["id"]
        await until(lambda: is_done(http, chat_id), what="the answer is stored")
    assert await generations(system) == ["done"]


async def is_done(http, chat_id):
    return (await http.get(f"/chat/{chat_id}")).status_code == 200


async def test_an_asynchronous_request_ends_with_delete_alone(system):
    """Who looks and goes away again changes nothing; `DELETE` stops the model, and the state says so."""
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as http:
        here = (await http.post("/chat", json={"prompt": "x"}, headers=LATER)).headers["location"]
        await until(lambda: generations(system), what="the model is at it")
        with pytest.raises(httpx.ReadTimeout):
            await http.get(here, params={"wait": "60"}, timeout=0.3)
        assert (await http.get(here)).json()["state"] == "running"
        waiting = asyncio.create_task(http.get(here, params={"wait": "60"}))
        assert (await http.delete(here)).json()["hit"] == "running"
        assert (await waiting).json()["error"]["code"] == "cancelled"
        assert (await http.get(here)).status_code == 499

        async def stopped():
            return await generations(system) == ["cancelled"]

        await until(stopped, what="the model stopped")
