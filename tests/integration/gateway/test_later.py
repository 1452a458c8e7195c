"""Requests whose client comes back for the answer: `Prefer: respond-async`, and `GET /chat/{id}`."""

import asyncio
import json

import httpx
import pytest

from harness.parts.gateway import Gateway, Responder, tell_finished
from harness.processes.wait import until

PROMPT = {"prompt": "Why is the sky blue?"}
LATER = {"Prefer": "respond-async"}
EVENTS = {"Accept": "text/event-stream"}


@pytest.fixture
def gateway_settings():
    return {"STILE_ACCEPT_TIMEOUT": "3"}


@pytest.fixture
async def responder(bus):
    """Accepts at the second place; the test says the rest."""

    async def accept(responder, request):
        await responder.accept(request, position=2, estimate_seconds=19.2)

    return await Responder(await bus.connect("filter"), accept).start()


@pytest.mark.parametrize("path", ["/chat", "/v1/chat"])
async def test_an_accepted_request_has_an_address(http, responder, path):
    """202 once it is stored, its place, and where to come back; from there state by state to the answer."""
    answer = await http.post(path, json=PROMPT, headers=LATER)
    (request,) = responder.requests
    chat_id = request.headers["Chat-Id"]
    assert answer.status_code == 202
    assert answer.headers["location"] == f"{path}/{chat_id}"
    assert answer.headers["preference-applied"] == "respond-async"
    waiting = {"id": chat_id, "state": "waiting", "position": 2, "estimate_seconds": 19.2}
    assert answer.json() == waiting

    here = answer.headers["location"]
    assert (await http.get(here)).json() == waiting
    await responder.move(request, position=1)

    async def moved():
        return (await http.get(here)).json() == {"id": chat_id, "state": "waiting", "position": 1}

    await until(moved)
    await responder.say(request, "started", 1, 0, id=chat_id)

    async def runs():
        found = await http.get(here)
        return (found.status_code, found.json()) == (202, {"id": chat_id, "state": "running"})

    await until(runs)
    waiting_for_it = asyncio.create_task(http.get(here, params={"wait": "30"}))
    await responder.finish(request, seq=1)
    found = await waiting_for_it
    assert (found.status_code, found.json()) == (200, {"response": "blue", "id": chat_id})
    assert (await http.get(here)).json() == found.json()


@pytest.mark.usefixtures("responder")
async def test_a_long_poll_ends_with_what_is_known(http):
    """When the time is over and there is no outcome, that is the answer."""
    here = (await http.post("/chat", json=PROMPT, headers=LATER)).headers["location"]
    found = await http.get(here, params={"wait": "1"})
    assert (found.status_code, found.json()["state"]) == (202, "waiting")


async def test_nobody_who_goes_away_cancels_it(http, responder):
    """An asynchronous request is nobody's connection; `DELETE` ends it, and who waits for it is told."""
    here = (await http.post("/chat", json=PROMPT, headers=LATER)).headers["location"]
    (request,) = responder.requests
    with pytest.raises(httpx.ReadTimeout):
        await http.get(here, params={"wait": "30"}, timeout=0.3)
    async with http.stream("GET", here, headers=EVENTS) as stream:
        await anext(stream.aiter_text())
    assert (await http.get(here)).status_code == 202
    assert responder.cancels == []

    waiting = asyncio.create_task(http.get(here, params={"wait": "30"}))
    assert (await http.delete(here)).status_code == 200
    assert [cancel.subject.split(".")[-1] for cancel in responder.cancels] == [request.headers["Chat-Id"]]
    await responder.fail(request, "cancelled", final=True)
    found = await waiting
    assert (found.status_code, found.json()["error"]["code"]) == (499, "cancelled")


async def test_a_gateway_that_never_heard_of_it_looks_it_up(bus, tmp_path, http, gateway, responder):
    """After a kill -9 the state and the outcome come from the filter, at once when the end is told."""
    here = (await http.post("/chat", json=PROMPT, headers=LATER)).headers["location"]
    (request,) = responder.requests
    consumer = await bus.connect("consumer")
    gateway.process.kill()
    second = await Gateway(bus, tmp_path).start()
    try:
        await second.connected()
        async with httpx.AsyncClient(base_url=second.url, timeout=60) as client:
            assert (await client.get(here)).json()["position"] == 2
            waiting = asyncio.create_task(client.get(here, params={"wait": "60"}))
            listening = asyncio.create_task(client.get(here, headers=EVENTS))
            before = len(responder.lookups)
            await until(lambda: len(responder.lookups) >= before + 2)
            await responder.say(request, "started", 1, 0, id=request.headers["Chat-Id"])
            await responder.finish(request, seq=1)
            await tell_finished(consumer, request)
            assert (await waiting).json()["response"] == "blue"
            names = [line for line in (await listening).text.splitlines() if line.startswith("event")]
            assert (names[0], names[-1]) == ("event: queued", "event: done")
            assert (await client.get(here)).json()["response"] == "blue"
    finally:
        await second.stop()


@pytest.mark.usefixtures("responder")
async def test_what_is_nobodys_is_not_found(http):
    """An unknown id, a stream of it too; a request of another address; an id that is none."""
    here = (await http.post("/chat", json=PROMPT, headers=LATER)).headers["location"]
    unknown = "/chat/0190a5d0-0000-7000-8000-000000000001"
    for answer in (await http.get(unknown), await http.get(unknown, headers=EVENTS)):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    async with httpx.AsyncClient(
        base_url=http.base_url, transport=httpx.AsyncHTTPTransport(local_address="127.0.0.2")
    ) as stranger:
        assert (await stranger.get(here)).status_code == 404
    assert (await http.get("/chat/seven")).status_code == 404
    assert (await http.put(here)).headers["allow"] == "DELETE, GET, HEAD"
    for wait in ("-1", "61", "x", ""):
        answer = await http.get(here, params={"wait": wait})
        assert (answer.status_code, answer.json()["error"]["param"]) == (422, "wait")


async def test_without_a_filter_there_is_no_telling(http):
    """503, as nobody knows."""
    answer = await http.get("/chat/0190a5d0-0000-7000-8000-000000000001")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_filter")


@pytest.mark.parametrize(
    ("say", "status"),
    [("finish", 200), ("fail", 503)],
)
async def test_what_is_answered_at_once_is_answered(bus, http, say, status):
    """A refusal or an error instead of `accepted` has nothing to come back for."""

    async def answer_at_once(responder, request):
        await (responder.finish(request) if say == "finish" else responder.fail(request, "queue_full"))

    await Responder(await bus.connect("filter"), answer_at_once).start()
    answer = await http.post("/chat", json=PROMPT, headers=LATER)
    assert answer.status_code == status
    assert "location" not in answer.headers


async def test_a_request_can_be_followed_as_a_stream(http, responder):
    """Whoever follows an asynchronous one gets its tokens: what came before it joined in one piece."""
    here = (await http.post("/chat", json=PROMPT, headers=LATER)).headers["location"]
    (request,) = responder.requests
    assert request.headers["Chat-Events"] == "token"
    await responder.say(request, "started", 1, 0, id=request.headers["Chat-Id"])
    await responder.say(request, "token", 1, 1, text="bl")
    heard = []
    async with http.stream("GET", here, headers=EVENTS) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: ") and "text" in line:
                heard.append(json.loads(line[6:])["text"])
                if "".join(heard) == "bl":
                    await responder.say(request, "token", 1, 2, text="ue")
                elif "".join(heard) == "blue":
                    await responder.finish(request, seq=3)
    assert "".join(heard) == "blue"
