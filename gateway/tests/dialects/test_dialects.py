"""A third dialect, which the package knows nothing of: its folder is this file."""

import json

import httpx
import pytest
from fastapi import APIRouter, Request, Response

from stile_contracts.messages import ChatRequest, Reply, TokenEvent
from stile_gateway import app as application
from stile_gateway.app import DIALECTS, create_app
from stile_gateway.dialects.base import ApiRequest, Dialect
from stile_gateway.errors import InvalidRequestError
from stile_gateway.http.answers import answer
from stile_gateway.http.dependencies import Headers, Sender
from stile_gateway.settings import Settings


class Lines:
    """Writes a stream as NDJSON: a line for each piece."""

    media_type = "application/x-ndjson"
    keep_alive = b"\n"

    def event(self, event):
        match event.body:
            case TokenEvent(text=text):
                return self._line(text=text)
            case Reply() as reply:
                return self._line(done=True, refused=reply.refused)
        return b""

    def error(self, error):
        return self._line(fault=error.code)

    @staticmethod
    def _line(**fields):
        return json.dumps(fields).encode() + b"\n"


class Tiny(Dialect):
    """Asks by ``say``, and is told by ``said``."""

    prefixes = ("/tiny",)

    def router(self):
        routes = APIRouter()

        @routes.post("/tiny/say")
        async def say(request: Request, sender: Sender, headers: Headers) -> Response:
            return await answer(self, request, sender, headers)

        return routes

    def read(self, body, request):  # noqa: ARG002 -- the base's
        fields = json.loads(body)
        if "say" not in fields:
            raise InvalidRequestError("Say something.", param="say")
        chat = ChatRequest(prompt=fields["say"]).model_dump_json(exclude_none=True).encode()
        return ApiRequest(body=chat, prompt=fields["say"], is_stream=fields.get("lines", False))

    def whole(self, request, chat_id, event):  # noqa: ARG002 -- the base's
        return Response(json.dumps({"said": event.body.response}), media_type="application/tiny+json")

    def writer(self, request, chat_id):  # noqa: ARG002 -- the base's
        return Lines()

    def error(self, error):
        return json.dumps({"fault": error.code, "at": error.param}).encode()

    def error_headers(self, error):
        return {"Tiny-Fault": error.code}

    def answer_headers(self, seconds):  # noqa: ARG002 -- the base's
        return {"Tiny-Answer": "yes"}


@pytest.fixture
async def client(fake_bus, monkeypatch):
    monkeypatch.setattr(application, "NatsBus", lambda *_: fake_bus)
    app = create_app(Settings(), (*DIALECTS, Tiny()))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def test_it_is_answered_whole(client, fake_bus, words):
    """Its own request reaches the bus as a ``ChatRequest``, and the reply is its own."""
    fake_bus.says(words.accepted(), words.done("blue"))
    told = await client.post("/tiny/say", json={"say": "Why?"})
    assert (told.status_code, told.headers["content-type"]) == (200, "application/tiny+json")
    assert told.json() == {"said": "blue"}
    assert told.headers["tiny-answer"] == "yes"
    [(body, _)] = fake_bus.published
    assert ChatRequest.model_validate_json(body).prompt == "Why?"


async def test_it_streams_in_its_own_format(client, fake_bus, words):
    """Lines instead of server-sent events, and their media type."""
    fake_bus.says(words.accepted(), words.started(), words.token("blue", 1), words.done(seq=2))
    told = await client.post("/tiny/say", json={"say": "Why?", "lines": True})
    assert told.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in told.text.splitlines()]
    assert lines == [{"text": "blue"}, {"done": True, "refused": False}]


@pytest.mark.parametrize(
    ("method", "path", "fields", "told"),
    [
        ("POST", "/tiny/say", {}, (422, {"fault": "invalid_request", "at": "say"})),
        ("POST", "/tiny/none", {}, (404, {"fault": "not_found", "at": None})),
        ("GET", "/tiny/say", {}, (405, {"fault": "method_not_allowed", "at": None})),
    ],
)
async def test_its_errors_have_its_shape(client, method, path, fields, told):
    """Those that it raises itself, and those of the framework at its addresses."""
    answered = await client.request(method, path, json=fields)
    assert (answered.status_code, answered.json()) == told
    assert answered.headers["tiny-fault"] == told[1]["fault"]


async def test_the_other_dialects_keep_their_shapes(client):
    """Each address has one: what begins alike is another address."""
    stile = await client.post("/chat", json={})
    openai = await client.post("/v1/chat/completions", json={})
    other = await client.post("/tinyish/say", json={})
    assert stile.json()["error"]["type"] == other.json()["error"]["type"] == "stile_error"
    assert openai.json()["error"]["type"] == "invalid_request_error"
    assert "tiny-fault" not in {*stile.headers, *openai.headers, *other.headers}


async def test_a_stream_that_breaks_ends_in_its_own_words(client, fake_bus, words):
    """After its first byte an error is a line of its own."""
    fake_bus.says(words.accepted(), words.started(), words.error("model_failed", attempt=1))
    told = await client.post("/tiny/say", json={"say": "Why?", "lines": True})
    assert (told.status_code, json.loads(told.text)) == (200, {"fault": "model_failed"})
