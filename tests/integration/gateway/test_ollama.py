"""Ollama's routes at the edge: what the bus is asked, models, errors, and streams that break."""

import asyncio
import json

import pytest

from harness.parts.gateway import Responder, beat
from harness.processes.wait import until

PATH = "/api/chat"
ASK = {"model": "smollm2:latest", "messages": [{"role": "user", "content": "Why?"}]}
WHOLE = {**ASK, "stream": False}


@pytest.fixture
def gateway_settings():
    return {"STILE_ACCEPT_TIMEOUT": "2", "STILE_MAX_BODY_BYTES": "4096"}


def lines_of(answer):
    return [json.loads(line) for line in answer.text.splitlines()]


async def model(bus, http):
    """Have a worker tell its model, and wait until the gateway knows it."""
    await beat(await bus.connect("consumer"), "consumer", model="SmolLM2")

    async def known():
        return (await http.get("/api/tags")).json()["models"]

    await until(known, what="the model is known")


async def test_an_answer_streamed_and_not(bus, http):
    """A stream is the default; what was asked of the bus is Stile's own request."""
    responder = await Responder(await bus.connect("filter"), Responder.whole).start()
    whole = await http.post(PATH, json=WHOLE)
    assert whole.headers["content-type"] == "application/json"
    assert whole.json()["message"] == {"role": "assistant", "content": "blue"}
    stream = await http.post(PATH, json=ASK)
    assert stream.headers["content-type"] == "application/x-ndjson"
    lines = lines_of(stream)
    assert "".join(line["message"]["content"] for line in lines) == "blue"
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    for request, level in zip(responder.requests, ("state", "token"), strict=True):
        assert json.loads(request.data) == {"model": "smollm2", "messages": ASK["messages"]}
        assert request.headers["Chat-Events"] == level
    assert (stream.headers["cache-control"], stream.headers["x-accel-buffering"]) == ("no-cache", "no")


async def test_a_prompt_is_a_conversation(bus, http):
    """The bus is asked with messages, whichever address it came by."""
    responder = await Responder(await bus.connect("filter"), Responder.whole).start()
    body = {"model": "smollm2", "prompt": "Why?", "system": "Be brief.", "stream": False}
    assert (await http.post("/api/generate", json=body)).json()["response"] == "blue"
    system = {"role": "system", "content": "Be brief."}
    assert json.loads(responder.requests[0].data)["messages"] == [system, *ASK["messages"]]


@pytest.mark.parametrize(
    ("route", "options", "status"),
    [
        (f"POST {PATH}", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        (f"POST {PATH}", {"json": {**ASK, "messages": 7}}, 400),
        (f"POST {PATH}", {"json": {"model": "smollm2", "messages": []}}, 404),
        (f"POST {PATH}", {"content": b"x"}, 415),
        (f"POST {PATH}", {"json": {**ASK, "user": "x" * 5000}}, 413),
        (f"GET {PATH}", {}, 405),
        (f"POST {PATH}", {"json": ASK}, 503),
        (f"POST {PATH}", {"json": WHOLE}, 503),
        ("POST /api/show", {"json": {"model": "none"}}, 404),
        ("POST /api/show", {"json": {}}, 400),
        ("POST /api/pull", {"json": {"model": "none"}}, 400),
        ("DELETE /api/delete", {"content": b"not read"}, 400),
        ("POST /api/blobs/sha256:0", {"content": b"x"}, 400),
        ("POST /api/embed", {"content": b""}, 400),
        ("GET /api/none", {}, 404),
    ],
)
async def test_every_error_is_ollamas(http, route, options, status):
    """Own status, and words in the one field that its clients read."""
    answer = await http.request(*route.split(), **options)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert isinstance(answer.json()["error"], str)
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_models(bus, http):
    """Those of the workers that live, with the tag that Ollama's clients expect."""
    assert (await http.get("/api/tags")).json() == {"models": []}
    await model(bus, http)
    for path in ("/api/tags", "/api/ps"):
        [one] = (await http.get(path)).json()["models"]
        assert one["name"] == one["model"] == "SmolLM2:latest"
        assert len(one["digest"]) == 64
    for name in ("smollm2", "SmolLM2:latest", "stile", "stile:latest"):
        assert (await http.post("/api/show", json={"model": name})).status_code == 200
        loaded = await http.post(PATH, json={"model": name, "messages": []})
        assert (loaded.json()["done_reason"], loaded.json()["done"]) == ("load", True)
    assert (await http.post("/api/show", json={"name": "smollm2"})).status_code == 200


async def test_a_client_sees_that_it_lives(http):
    """Ollama's own command line asks for the head of the root."""
    assert (await http.head("/")).status_code == 200
    assert all(part.isdigit() for part in (await http.get("/api/version")).json()["version"].split("."))


async def test_an_error_after_the_start_is_the_last_line(bus, http):
    """Its clients raise what stands in it."""

    async def fail(responder, request):
        await responder.accept(request)
        await responder.say(request, "token", 1, 0, text="bl")
        await responder.fail(request, "model_failed")

    await Responder(await bus.connect("filter"), fail).start()
    answer = await http.post(PATH, json=ASK)
    assert (answer.status_code, lines_of(answer)[-1]) == (200, {"error": "So it is."})


async def test_a_place_is_told_while_it_waits(bus, http):
    """Before the first word, on lines without text."""
    go = asyncio.Event()

    async def wait(responder, request):
        await responder.accept(request, position=2, estimate_seconds=19.2)
        await asyncio.wait_for(go.wait(), 20)
        await responder.finish(request)

    await Responder(await bus.connect("filter"), wait).start()
    async with http.stream("POST", PATH, json=ASK) as answer:
        lines = answer.aiter_lines()
        first = json.loads(await anext(lines))
        assert first["stile"] == {"state": "waiting", "position": 2, "estimate_seconds": 19.2}
        assert (first["message"]["content"], first["done"]) == ("", False)
        go.set()
        rest = [json.loads(line) async for line in lines]
    assert rest[-1]["done"]
