"""OpenAI's routes at the edge: heads, errors, and what happens to a stream when things go wrong."""

import asyncio
import json

import pytest

from harness.parts.gateway import Responder, beat
from harness.processes.wait import until

PATH = "/v1/chat/completions"
ASK = {"model": "stile", "messages": [{"role": "user", "content": "Why?"}]}
STREAM = {**ASK, "stream": True}


@pytest.fixture
def gateway_settings():
    return {"STILE_ACCEPT_TIMEOUT": "2", "STILE_MAX_BODY_BYTES": "4096"}


def data_of(text):
    """Return each event's data; ``[DONE]`` as it is."""
    data = [block.removeprefix("data: ") for block in text.split("\n\n") if block.startswith("data: ")]
    return [one if one == "[DONE]" else json.loads(one) for one in data]


def text_of(data):
    deltas = [choice["delta"] for chunk in data[:-1] for choice in chunk.get("choices", ())]
    return "".join(delta.get("content") or "" for delta in deltas)


async def test_an_answer_streamed_and_not(bus, http):
    """Both say the same; what was asked of the bus is Stile's own request, without `stream`."""
    responder = await Responder(await bus.connect("filter"), Responder.whole).start()
    whole = await http.post(PATH, json=ASK)
    assert whole.json()["choices"][0]["message"]["content"] == "blue"
    assert json.loads(responder.requests[0].data) == ASK
    assert responder.requests[0].headers["Chat-Events"] == "state"
    stream = await http.post(PATH, json=STREAM)
    data = data_of(stream.text)
    assert (text_of(data), data[-1]) == ("blue", "[DONE]")
    assert json.loads(responder.requests[1].data) == ASK
    assert responder.requests[1].headers["Chat-Events"] == "token"
    for answer in (whole, stream):
        assert answer.headers["x-request-id"]
        assert int(answer.headers["openai-processing-ms"]) >= 0
    assert (stream.headers["cache-control"], stream.headers["x-accel-buffering"]) == ("no-cache", "no")


@pytest.mark.parametrize(
    ("route", "options", "status", "code"),
    [
        (
            f"POST {PATH}",
            {"content": b"{", "headers": {"Content-Type": "application/json"}},
            400,
            "invalid_request",
        ),
        (f"POST {PATH}", {"json": {**ASK, "n": 2}}, 400, "unsupported_parameter"),
        (f"POST {PATH}", {"content": b"x"}, 415, "unsupported_media_type"),
        (f"POST {PATH}", {"json": {**ASK, "user": "x" * 5000}}, 413, "too_large"),
        (f"POST {PATH}", {"json": ASK, "headers": {"Idempotency-Key": "a b"}}, 400, "invalid_header"),
        (f"GET {PATH}", {}, 405, "method_not_allowed"),
        (f"POST {PATH}", {"json": ASK}, 503, "no_filter"),
        (f"POST {PATH}", {"json": STREAM}, 503, "no_filter"),
        ("GET /v1/models/none", {}, 404, "model_not_found"),
        ("GET /v1/models/a/b", {}, 404, "not_found"),
    ],
)
async def test_every_error_is_openais(http, route, options, status, code):
    """Own status, OpenAI's shape, and the heads that its clients' retries go by."""
    answer = await http.request(*route.split(), **options)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code
    assert answer.headers["x-request-id"]
    assert int(answer.headers["openai-processing-ms"]) >= 0
    assert ("retry-after" in answer.headers) == (status == 503)
    assert ("retry-after-ms" in answer.headers) == (status == 503)
    assert answer.headers.get("x-should-retry") == (
        None if status == 503 or code == "model_not_found" else "false"
    )
    if status == 405:
        assert answer.headers["allow"] == "POST"


async def test_a_full_queue_says_when_to_come_back(bus, http):
    """To the millisecond too, at every address; the others keep Stile's own shape."""

    async def full(responder, request):
        await responder.fail(request, "client_queue_full", retry_after=1.5)

    await Responder(await bus.connect("filter"), full).start()
    answer = await http.post(PATH, json=STREAM)
    assert (answer.status_code, answer.json()["error"]["type"]) == (429, "rate_limit_error")
    assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("2", "1500")
    other = await http.post("/chat", json={"prompt": "x"})
    assert other.json()["error"]["type"] == "stile_error"
    assert (other.headers["retry-after"], other.headers["retry-after-ms"]) == ("2", "1500")


async def test_an_error_after_the_start_is_an_event(bus, http):
    """The stream ends with the error, and without the mark of a good end."""

    async def fail(responder, request):
        await responder.accept(request)
        await responder.say(request, "token", 1, 0, text="bl")
        await responder.fail(request, "model_failed")

    await Responder(await bus.connect("filter"), fail).start()
    answer = await http.post(PATH, json=STREAM)
    assert answer.status_code == 200
    assert data_of(answer.text)[-1]["error"]["code"] == "model_failed"
    assert "[DONE]" not in answer.text


@pytest.mark.parametrize(("second", "last"), [("blue", "[DONE]"), ("red", None)])
async def test_a_second_attempt_goes_on_or_ends_the_stream(bus, http, second, last):
    """Where it writes the same it goes on; where it does not, that is an error, never a mixed text."""
    read = asyncio.Event()

    async def again(responder, request):
        await responder.accept(request)
        await responder.say(request, "token", 1, 0, text="bl")
        await asyncio.wait_for(read.wait(), 20)
        await responder.say(request, "started", 2, 0, id=request.headers["Chat-Id"])
        await responder.say(request, "token", 2, 1, text=second)
        await responder.say(request, "done", 2, 2, response=second, id=request.headers["Chat-Id"])

    await Responder(await bus.connect("filter"), again).start()
    text = ""
    async with http.stream("POST", PATH, json=STREAM) as answer:
        async for piece in answer.aiter_text():
            text += piece
            if '"bl"' in text:
                read.set()
    data = data_of(text)
    if last:
        assert (text_of(data), data[-1]) == ("blue", last)
    else:
        assert (text_of(data), data[-1]["error"]["code"]) == ("bl", "internal")


async def test_the_head_goes_out_before_the_first_word(bus, http):
    """A client that waits in the queue has its answer's head, and a comment."""
    go = asyncio.Event()

    async def wait(responder, request):
        await responder.accept(request)
        await asyncio.wait_for(go.wait(), 20)
        await responder.finish(request)

    await Responder(await bus.connect("filter"), wait).start()
    async with http.stream("POST", PATH, json=STREAM) as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == ": queued"
        go.set()
        assert "data: [DONE]" in [line async for line in lines]


async def test_models_are_those_of_living_consumers(bus, http):
    """Their names come with the heartbeats."""
    assert (await http.get("/v1/models")).json() == {"object": "list", "data": []}
    await beat(await bus.connect("consumer"), "consumer", model="smollm2")

    async def listed():
        return bool((await http.get("/v1/models")).json()["data"])

    await until(listed, what="the model is listed")
    model = {"id": "smollm2", "object": "model", "created": 0, "owned_by": "stile"}
    assert (await http.get("/v1/models")).json() == {"object": "list", "data": [model]}
    assert (await http.get("/v1/models/smollm2")).json() == model


async def test_models_tell_their_context(bus, http):
    """In llama.cpp's way, and in those of vLLM and OpenRouter; of several workers the least."""
    consumer = await bus.connect("consumer")
    await beat(consumer, "consumer", model="smollm2", n_ctx=8192)
    await beat(consumer, "consumer", instance="c2", model="smollm2", n_ctx=2048)
    await beat(consumer, "consumer", instance="c3", model="other")

    async def listed():
        return len((await http.get("/v1/models")).json()["data"]) == 2

    await until(listed, what="the models are listed")
    other, smollm2 = (await http.get("/v1/models")).json()["data"]
    assert "meta" not in other
    assert smollm2["meta"] == {"n_ctx": 2048}
    assert smollm2["max_model_len"] == smollm2["context_length"] == 2048
    assert (await http.get("/v1/models/smollm2")).json() == smollm2
