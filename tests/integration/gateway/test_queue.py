"""The queue as HTTP clients see it: places, the lanes' depths, deadlines of their own."""

import asyncio
import json
import time

import pytest

from harness.parts.gateway import Responder, beat
from harness.processes.wait import until

STREAM = {"prompt": "Why is the sky blue?", "stream": True}
COMPLETION = {"messages": [{"role": "user", "content": "Why?"}], "stream": True}
QUEUE = {
    "interactive": {"waiting": 3, "estimate_seconds": 12.5},
    "batch": {"waiting": 7},
    "running": 1,
}


@pytest.fixture
def gateway_settings():
    return {"STILE_ACCEPT_TIMEOUT": "2", "STILE_ANSWER_TIMEOUT": "60"}


class Waiting:
    """Has a request wait at three places, each until the client has read it; a fourth is too late."""

    def __init__(self):
        self.read = asyncio.Semaphore(0)

    async def __call__(self, responder, request):
        await responder.accept(request, position=2, estimate_seconds=19.2)
        for place in ({"position": 1, "estimate_seconds": 7}, {}):
            await asyncio.wait_for(self.read.acquire(), 20)
            await responder.move(request, **place)
        await asyncio.wait_for(self.read.acquire(), 20)
        await responder.say(request, "started", 1, 0, id=request.headers["Chat-Id"])
        await responder.move(request, position=0)
        await responder.say(request, "token", 1, 1, text="blue")
        await responder.finish(request, seq=2)

    async def blocks(self, http, path, body, mark):
        """Return a stream's blocks; one that begins with ``mark`` lets the next event come."""
        text = ""
        async with http.stream("POST", path, json=body) as answer:
            async for line in answer.aiter_lines():
                text += line + "\n"
                if line.startswith(mark):
                    self.read.release()
        return text.strip().split("\n\n")


async def test_a_place_is_told_whenever_it_changes(bus, http):
    """Named events for `/chat`, the first with the place too; one that comes after the start is not told."""
    waiting = Waiting()
    responder = await Responder(await bus.connect("filter"), waiting).start()
    blocks = await waiting.blocks(http, "/chat", STREAM, "event: queued")
    chat_id = responder.requests[0].headers["Chat-Id"]
    fields = [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]
    told = [(one["event"], json.loads(one["data"])) for one in fields]
    assert [data for event, data in told if event == "queued"] == [
        {"id": chat_id, "position": 2, "estimate_seconds": 19.2},
        {"id": chat_id, "position": 1, "estimate_seconds": 7},
        {"id": chat_id},
    ]
    assert [event for event, _ in told][3:] == ["started", "token", "done"]
    assert "stile_gateway_gaps_total 0.0" in (await http.get("/metrics")).text


async def test_openais_clients_are_told_in_comments(bus, http):
    """What is known of the place, in words; a client that reads data alone sees nothing of it."""
    waiting = Waiting()
    await Responder(await bus.connect("filter"), waiting).start()
    blocks = await waiting.blocks(http, "/v1/chat/completions", COMPLETION, ": ")
    comments = [block for block in blocks if block.startswith(":")]
    assert comments == [": position 2, about 20 s", ": position 1, about 7 s", ": queued"]
    assert blocks[-1] == "data: [DONE]"


async def test_the_queue_is_as_a_living_filter_told_it(bus, http):
    """Each lane's depth and estimate, and who is being answered; without a filter a 503 that says so."""
    unknown = await http.get("/queue")
    error = unknown.json()["error"]
    assert (unknown.status_code, error["code"]) == (503, "no_filter")
    assert "none is heard" in error["message"]
    assert unknown.headers["retry-after"] == "1"
    await beat(await bus.connect("filter"), "filter", queue=QUEUE)

    async def told():
        return (await http.get("/queue")).status_code == 200

    await until(told, what="the heartbeat is heard")
    assert (await http.get("/queue")).json() == QUEUE


@pytest.mark.parametrize(("header", "seconds"), [("30s", 30), ("500ms", 0.5), ("2m", 60), (None, 60)])
async def test_a_client_says_how_long_an_answer_is_of_use(bus, http, header, seconds):
    """`Stile-Timeout` is the deadline on the bus, at most the configured one, which is the default."""
    responder = await Responder(await bus.connect("filter"), Responder.whole).start()
    began = time.time()
    answer = await http.post(
        "/chat", json={"prompt": "x"}, headers={"Stile-Timeout": header} if header else {}
    )
    assert answer.status_code == 200
    deadline = int(responder.requests[0].headers["Chat-Deadline"]) / 1000
    assert began + seconds - 0.001 <= deadline <= time.time() + seconds


@pytest.mark.parametrize("header", ["0s", "30", "-1s", "1h", "1.5s", "", "9999999999s"])
async def test_a_timeout_that_is_none_names_its_header(http, header):
    """Nothing is guessed."""
    answer = await http.post("/chat", json={"prompt": "x"}, headers={"Stile-Timeout": header})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_header", "Stile-Timeout")


@pytest.mark.parametrize("path", ["/chat", "/v1/chat/completions"])
async def test_a_deadline_that_has_passed_says_where(bus, http, path):
    """The stage is in the body, in both shapes."""

    async def expire(responder, request):
        await responder.fail(request, "deadline_exceeded", final=True, stage="waiting")

    await Responder(await bus.connect("filter"), expire).start()
    answer = await http.post(path, json={"messages": COMPLETION["messages"]}, headers={"Stile-Timeout": "1s"})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["stage"]) == (504, "deadline_exceeded", "waiting")


async def test_the_filters_word_of_a_short_deadline_is_heard(bus, http):
    """A deadline that is shorter than the time to be accepted ends as the filter says, a little later."""

    async def expire(responder, request):
        await until(lambda: time.time() * 1000 > int(request.headers["Chat-Deadline"]))
        await responder.fail(request, "deadline_exceeded", final=True, stage="filter")

    await Responder(await bus.connect("filter"), expire).start()
    answer = await http.post("/chat", json={"prompt": "x"}, headers={"Stile-Timeout": "200ms"})
    assert (answer.status_code, answer.json()["error"].get("stage")) == (504, "filter")
