"""Anthropic's routes at the edge: what the bus is asked, errors, and streams that break."""

import json

import pytest

from harness.parts.gateway import Responder

PATH = "/v1/messages"
COUNT = "/v1/messages/count_tokens"
ASK = {"model": "stile", "max_tokens": 5, "messages": [{"role": "user", "content": "Why?"}]}
STREAM = {**ASK, "stream": True}


@pytest.fixture
def gateway_settings():
    return {"STILE_ACCEPT_TIMEOUT": "2", "STILE_MAX_BODY_BYTES": "4096"}


def events_of(text):
    """Return each event's data; comments are left out."""
    blocks = [block.split("\n") for block in text.strip().split("\n\n") if not block.startswith(":")]
    return [json.loads(data.removeprefix("data: ")) for _, data in blocks]


async def test_an_answer_streamed_and_not(bus, http):
    """Both say the same; what was asked of the bus is Stile's own request, without `stream`."""
    responder = await Responder(await bus.connect("filter"), Responder.whole).start()
    whole = await http.post(PATH, json=ASK, headers={"anthropic-version": "2023-06-01"})
    assert whole.json()["content"] == [{"type": "text", "text": "blue"}]
    stream = await http.post(PATH, json=STREAM, headers={"anthropic-beta": "unheard-of"})
    assert stream.headers["content-type"].startswith("text/event-stream")
    events = events_of(stream.text)
    deltas = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    assert ("".join(deltas), events[-1]) == ("blue", {"type": "message_stop"})
    for request in responder.requests:
        assert json.loads(request.data) == ASK
    for answer in (whole, stream):
        assert answer.headers["request-id"] == answer.headers["x-request-id"]


async def test_a_count_asks_the_model(bus, http):
    """Through the filter and the queue, with the least answer."""

    async def counted(responder, request):
        await responder.accept(request)
        usage = {"prompt_tokens": 42, "completion_tokens": 1, "total_tokens": 43}
        await responder.finish(request, usage=usage)

    responder = await Responder(await bus.connect("filter"), counted).start()
    answer = await http.post(COUNT, json={"model": "stile", "messages": ASK["messages"]})
    assert answer.json() == {"input_tokens": 42}
    assert json.loads(responder.requests[0].data)["max_tokens"] == 1


async def test_a_refused_conversation_has_no_count(bus, http):
    """It is an error that says why: no model has read it."""

    async def refuse(responder, request):
        refusal = {"category": "rudeness", "place": "messages[0]"}
        await responder.finish(request, "No.", refused=True, refusal=refusal)

    await Responder(await bus.connect("filter"), refuse).start()
    answer = await http.post(COUNT, json={"model": "stile", "messages": ASK["messages"]})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert "rudeness, in messages[0]" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("route", "options", "status", "kind"),
    [
        (f"POST {PATH}", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, None),
        (f"POST {PATH}", {"json": {**ASK, "max_tokens": 0}}, 400, None),
        (f"POST {COUNT}", {"json": {"model": "stile", "messages": []}}, 400, None),
        (f"POST {PATH}", {"content": b"x"}, 415, None),
        (f"POST {PATH}", {"json": {**ASK, "user": "x" * 5000}}, 413, "request_too_large"),
        (f"GET {PATH}", {}, 405, None),
        ("GET /v1/messages/none", {}, 404, "not_found_error"),
        (f"POST {PATH}", {"json": ASK}, 503, "api_error"),
        (f"POST {PATH}", {"json": STREAM}, 503, "api_error"),
    ],
)
async def test_every_error_is_anthropics(http, route, options, status, kind):
    """Own status, Anthropic's shape, and the heads that its clients' retries go by."""
    answer = await http.request(*route.split(), **options)
    body = answer.json()
    assert (answer.status_code, set(body), body["type"]) == (status, {"type", "error", "request_id"}, "error")
    assert body["error"]["type"] == (kind or "invalid_request_error")
    assert body["request_id"] == answer.headers["request-id"]
    assert ("retry-after" in answer.headers) == (status == 503)
    assert answer.headers.get("x-should-retry") == (None if status == 503 else "false")


async def test_a_full_queue_is_a_limit(bus, http):
    """One's own is a 429 that says when to come back, and everybody's is an overload."""
    codes = iter(("client_queue_full", "queue_full"))

    async def full(responder, request):
        await responder.fail(request, next(codes), retry_after=1.5)

    await Responder(await bus.connect("filter"), full).start()
    for status, kind in ((429, "rate_limit_error"), (503, "overloaded_error")):
        answer = await http.post(PATH, json=STREAM)
        assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)
        assert answer.headers["retry-after-ms"] == "1500"


async def test_an_error_after_the_start_is_an_event(bus, http):
    """The stream ends with it, and without `message_stop`."""

    async def fail(responder, request):
        await responder.accept(request)
        await responder.say(request, "token", 1, 0, text="bl")
        await responder.fail(request, "model_failed")

    await Responder(await bus.connect("filter"), fail).start()
    answer = await http.post(PATH, json=STREAM)
    last = events_of(answer.text)[-1]
    assert (answer.status_code, last["type"], last["error"]["type"]) == (200, "error", "api_error")
    assert last["request_id"] == answer.headers["request-id"]
    assert "message_stop" not in answer.text
