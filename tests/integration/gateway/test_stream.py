"""A chat as server-sent events."""

import asyncio
import json

import httpx
import pytest

from harness.parts.gateway import Responder
from harness.processes.wait import until

STREAM = {"prompt": "Why is the sky blue?", "stream": True}


@pytest.fixture
def gateway_settings():
    return {"STILE_ACCEPT_TIMEOUT": "2"}


def events_of(text):
    """Server-sent events as (name, data)."""
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


@pytest.mark.parametrize(
    ("body", "headers"), [(STREAM, {}), ({"prompt": "Why?"}, {"Accept": "text/event-stream"})]
)
async def test_events_come_by_name_and_done_is_whole(bus, http, body, headers):
    """Asked for in the body or by Accept: queued, started, tokens, and `done` with all of it."""
    responder = await Responder(await bus.connect("filter"), Responder.whole).start()
    answer = await http.post("/chat", json=body, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    assert responder.requests[0].headers["Chat-Events"] == "token"
    chat_id = responder.requests[0].headers["Chat-Id"]
    events = events_of(answer.text)
    pieces = [data["text"] for name, data in events if name == "token"]
    assert "".join(pieces) == "blue"
    assert [event for event in events if event[0] != "token"] == [
        ("queued", {"id": chat_id}),
        ("started", {"id": chat_id, "model": "stand-in"}),
        ("done", {"response": "blue", "id": chat_id}),
    ]
    assert [name for name, _ in events].index("token") == 2


async def test_each_event_comes_when_it_is_said(bus, http):
    """A token is at the client before the next one is written."""
    read = asyncio.Event()

    async def answer(responder, request):
        await responder.accept(request)
        await responder.say(request, "token", 1, 0, text="bl")
        await asyncio.wait_for(read.wait(), 10)
        await responder.finish(request, "bl", seq=1)

    await Responder(await bus.connect("filter"), answer).start()
    text = ""
    async with http.stream("POST", "/chat", json=STREAM) as stream:
        async for piece in stream.aiter_text():
            text += piece
            if '"bl"' in text:
                read.set()
    assert [name for name, _ in events_of(text)] == ["queued", "token", "done"]


async def test_an_error_before_the_first_event_has_its_status(bus, http):
    """Nothing is streamed of a request that was not accepted; later the error is an event."""

    async def fail(responder, request):
        await responder.fail(request, "queue_full")

    await Responder(await bus.connect("filter"), fail).start()
    answer = await http.post("/chat", json=STREAM)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "queue_full")


async def test_an_error_later_is_an_event(bus, http):
    """Where the status is sent already, the error ends the stream."""

    async def accept_and_fail(responder, request):
        await responder.accept(request)
        await responder.fail(request, "model_failed", final=True)

    await Responder(await bus.connect("filter"), accept_and_fail).start()
    answer = await http.post("/chat", json=STREAM)
    assert answer.status_code == 200
    name, data = events_of(answer.text)[-1]
    assert (name, data["error"]["code"]) == ("error", "model_failed")


async def test_a_reader_that_goes_away_leaves_nothing(bus, gateway, http):
    """What is said of its request later is nobody's."""

    async def accept(responder, request):
        await responder.accept(request)

    responder = await Responder(await bus.connect("filter"), accept).start()
    async with http.stream("POST", "/chat", json=STREAM) as stream:
        await anext(stream.aiter_text())
    await until(lambda: "client_gone" in gateway.process.output())
    await responder.finish(responder.requests[0])

    async def unclaimed():
        return "stile_gateway_unclaimed_events_total 1.0" in (await http.get("/metrics")).text

    await until(unclaimed)


async def test_a_slow_reader_gets_large_pieces_and_the_end(bus, gateway):
    """What it does not read is kept once, and not without bound; `done` carries the whole text."""
    size, count = 20_000, 2000  # 40 MB: more than sockets hold, and more than is kept
    said = asyncio.Event()

    async def flood(responder, request):
        await responder.accept(request)
        await responder.say(request, "started", 1, 0, id=request.headers["Chat-Id"])
        for seq in range(1, count + 1):
            await responder.say(request, "token", 1, seq, text="x" * size)
            await responder.client.flush()
        await responder.finish(request, seq=count + 1)
        said.set()

    await Responder(await bus.connect("filter"), flood).start()
    body = json.dumps(STREAM).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=1024)
    head = (
        "POST /chat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await asyncio.wait_for(said.wait(), 60)
    text = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    assert b'event: done\ndata: {"response": "blue"' in text
    assert size < text.count(b"x") <= 1024 * 1024
    async with httpx.AsyncClient() as client:
        metrics = (await client.get(f"{gateway.url}/metrics")).text
    dropped = next(
        line for line in metrics.splitlines() if line.startswith("stile_gateway_dropped_events_total")
    )
    assert float(dropped.split()[1]) >= count - 1024 * 1024 / size
