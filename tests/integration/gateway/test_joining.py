"""One request, several who listen: `Idempotency-Key`, streams that go on, slow readers, restarts."""

import asyncio
import json

import httpx
import psutil
import pytest

from harness.parts.gateway import Gateway, Responder, tell_finished
from harness.processes.wait import until

BODY = {"prompt": "Why is the sky blue?"}
KEY = {"Idempotency-Key": "k"}
EVENTS = {**KEY, "Accept": "text/event-stream"}
COMPLETION = {"messages": [{"role": "user", "content": "Why?"}]}


@pytest.fixture
async def responder(bus):
    """Accepts; the test says the rest."""

    async def accept(responder, request):
        await responder.accept(request)

    return await Responder(await bus.connect("filter"), accept).start()


class Stream:
    """Reads one stream of ``/chat`` as a client does that puts the pieces together."""

    def __init__(self, response):
        self._lines = response.aiter_lines()
        self.text = ""
        self.events = []
        self.last_id = None
        self.done = None

    async def read(self, until_text=None):
        """Read until the text is ``until_text``, or to the end."""
        event = ""
        async for line in self._lines:
            field, _, value = line.partition(": ")
            if field == "event":
                event = value
                self.events.append(event)
            elif field == "id":
                self.last_id = value
            elif field == "data":
                data = json.loads(value)
                if event == "started":
                    self.text = ""
                elif event == "token":
                    self.text += data["text"]
                elif event == "done":
                    self.done = data["response"]
                if event == "token" and self.text == until_text:
                    return


async def start_and_write(responder, request, *pieces):
    await responder.say(request, "started", 1, 0, id=request.headers["Chat-Id"])
    for seq, piece in enumerate(pieces, 1):
        await responder.say(request, "token", 1, seq, text=piece)


async def test_all_who_ask_the_same_hear_the_same(http, responder):
    """Two streams and one who waits, under one key: one request, and each gets all of it."""
    async with http.stream("POST", "/chat", json=BODY, headers=EVENTS) as first_response:
        first = Stream(first_response)
        await until(lambda: responder.requests)
        (request,) = responder.requests
        await start_and_write(responder, request, "bl", "u")
        await first.read("blu")
        waiting = asyncio.create_task(http.post("/chat", json=BODY, headers=KEY))
        async with http.stream("POST", "/chat", json=BODY, headers=EVENTS) as second_response:
            second = Stream(second_response)
            await second.read("blu")
            await responder.say(request, "token", 1, 3, text="e")
            await responder.finish(request, seq=4)
            await second.read()
            await first.read()
    assert (first.text, first.done, second.text, second.done) == ("blue",) * 4
    assert (await waiting).json()["response"] == "blue"
    assert len(responder.requests) == 1


async def test_openais_clients_join_too(http, responder):
    """A stream and a whole answer of one completion under one key."""
    body = {**COMPLETION, "stream": True}
    whole = asyncio.create_task(http.post("/v1/chat/completions", json=COMPLETION, headers=KEY))
    await until(lambda: responder.requests)
    stream = asyncio.create_task(http.post("/v1/chat/completions", json=body, headers=KEY))
    (request,) = responder.requests
    await start_and_write(responder, request, "bl", "ue")
    async with http.stream("POST", "/v1/chat/completions", json=body, headers=KEY) as late:
        lines = late.aiter_lines()
        while '"content":"blue"' not in await anext(lines):
            pass
        await responder.finish(request, seq=3)
        assert "data: [DONE]" in [line async for line in lines]
    assert (await whole).json()["choices"][0]["message"]["content"] == "blue"
    assert (await stream).text.rstrip().endswith("data: [DONE]")
    assert len(responder.requests) == 1


async def test_another_body_under_the_key_is_refused(http, responder):
    """While the first one runs; it is not disturbed."""
    first = asyncio.create_task(http.post("/chat", json=BODY, headers=KEY))
    await until(lambda: responder.requests)
    other = await http.post("/chat", json={"prompt": "Another?"}, headers=KEY)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "key_conflict")
    await responder.finish(responder.requests[0])
    assert (await first).status_code == 200


async def test_a_stream_that_broke_off_goes_on(http, responder):
    """With the key and the last event's id: the rest, and nothing twice; the model writes on meanwhile."""
    async with http.stream("POST", "/chat", json=BODY, headers=EVENTS) as response:
        before = Stream(response)
        await until(lambda: responder.requests)
        (request,) = responder.requests
        await start_and_write(responder, request, "bl")
        await before.read("bl")
    assert responder.cancels == []
    await responder.say(request, "token", 1, 2, text="ue ")
    await responder.say(request, "token", 1, 3, text="sky")
    again = {**EVENTS, "Last-Event-ID": before.last_id}
    for method, path in (("POST", "/chat"), ("GET", f"/chat/{request.headers['Chat-Id']}")):
        body = BODY if method == "POST" else None
        async with http.stream(method, path, json=body, headers=again) as response:
            after = Stream(response)
            await after.read("ue sky")
            assert "started" not in after.events
    await responder.finish(request, "blue sky", seq=4)
    assert len(responder.requests) == 1


@pytest.mark.parametrize(("second", "rest"), [("blue sky", "ue sky"), ("red", "red")])
async def test_a_second_attempt_is_never_spliced(http, responder, second, rest):
    """Where it writes the same the stream goes on; where not, `started` begins it anew."""
    async with http.stream("POST", "/chat", json=BODY, headers=EVENTS) as response:
        before = Stream(response)
        await until(lambda: responder.requests)
        (request,) = responder.requests
        await start_and_write(responder, request, "bl")
        await before.read("bl")
        left = before.last_id
        await responder.say(request, "started", 2, 0, id=request.headers["Chat-Id"])
        await responder.say(request, "token", 2, 1, text=second)
        await before.read(second)
    async with http.stream("POST", "/chat", json=BODY, headers={**EVENTS, "Last-Event-ID": left}) as response:
        after = Stream(response)
        await after.read(rest)
        await responder.say(request, "done", 2, 2, response=second, id=request.headers["Chat-Id"])
        await after.read()
    assert ("started" in after.events) == (second == "red")
    assert after.done == second


async def test_a_restarted_gateway_finds_the_answer(bus, tmp_path, http, gateway, responder):
    """The events go to an inbox that is no more; who repeats under the key gets the answer all the same."""
    async with http.stream("POST", "/chat", json=BODY, headers=EVENTS) as response:
        before = Stream(response)
        await until(lambda: responder.requests)
        await start_and_write(responder, responder.requests[0], "bl")
        await before.read("bl")
        gateway.process.kill()
    consumer = await bus.connect("consumer")
    second = await Gateway(bus, tmp_path).start()
    try:
        await second.connected()
        async with httpx.AsyncClient(base_url=second.url, timeout=60) as client:
            again = {**EVENTS, "Last-Event-ID": before.last_id}
            streaming = asyncio.create_task(client.post("/chat", json=BODY, headers=again))
            waiting = asyncio.create_task(client.post("/chat", json=BODY, headers=KEY))
            await until(lambda: len(responder.requests) == 2)
            first = responder.requests[0]
            await responder.finish(first, seq=2)
            await tell_finished(consumer, first)
            text = (await streaming).text
            assert (await waiting).json()["response"] == "blue"
    finally:
        await second.stop()
    assert '{"text":"ue"}' in text
    assert "event: started" not in text
    assert "event: done" in text


async def test_a_reader_that_never_reads_costs_no_memory(bus, gateway):
    """Many who do not read their streams hold up nobody, and the gateway stays as small as it was."""
    size, count = 20_000, 500  # 10 MB of text, of which a megabyte is kept
    go = asyncio.Event()

    async def flood(responder, request):
        await responder.accept(request)
        await go.wait()
        await responder.say(request, "started", 1, 0, id=request.headers["Chat-Id"])
        for seq in range(1, count + 1):
            await responder.say(request, "token", 1, seq, text="x" * size)
            await responder.client.flush()
        await responder.finish(request, seq=count + 1)

    await Responder(await bus.connect("filter"), flood).start()
    body = json.dumps(BODY).encode()
    head = (
        "POST /chat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nIdempotency-Key: k\r\n"
        f"Accept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    whole = {**KEY, "Content-Type": "application/json"}
    sleepers = []
    for _ in range(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=1024)
        writer.write(head.encode() + body)
        await asyncio.wait_for(reader.readuntil(b"queued"), 30)
        sleepers.append((reader, writer))
    before = memory_of(gateway)
    go.set()
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
        assert (await client.post("/chat", content=body, headers=whole)).json()["response"] == "blue"
    assert memory_of(gateway) - before < 40 * 1024 * 1024
    for reader, writer in sleepers:
        assert b'"response": "blue"' in await asyncio.wait_for(reader.read(), 60)
        writer.close()


def memory_of(gateway):
    """Resident bytes of the gateway and its children: the harness starts it behind a small parent."""
    process = psutil.Process(gateway.process.pid)
    return sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))
