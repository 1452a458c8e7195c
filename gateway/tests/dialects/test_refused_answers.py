"""An answer that is refused after its beginning was sent: each API's stream ends well, and says so."""

import json
from uuid import UUID

import pytest
from starlette.requests import Request

from stile_contracts.messages import Refusal, Reply, StartedEvent, TokenEvent
from stile_gateway.dialects.anthropic.api import Anthropic
from stile_gateway.dialects.completions.api import Completions
from stile_gateway.dialects.ollama.api import Ollama
from stile_gateway.dialects.openai.api import OpenAI
from stile_gateway.dialects.responses.api import Responses
from stile_gateway.dialects.stile.api import Stile
from stile_gateway.requests.events import ReplyEvent

ID = UUID("01920000-0000-7000-8000-000000000001")
MESSAGES = [{"role": "user", "content": "Why?"}]
CALL = {"index": 0, "id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a'}}
BEGINNINGS = {
    "text": TokenEvent(text="The sky is "),
    "a thought": TokenEvent(text="", reasoning_content="They want "),
    "a call": TokenEvent(text="", tool_calls=[CALL]),
}
APIS = {
    "stile": (Stile(), "/chat", {"prompt": "Why?"}, '"refused":true'),
    "openai": (OpenAI(), "/v1/chat/completions", {"messages": MESSAGES}, '"finish_reason":"content_filter"'),
    "completions": (Completions(), "/v1/completions", {"prompt": "Why?"}, '"finish_reason":"content_filter"'),
    "responses": (Responses(), "/v1/responses", {"input": "Why?"}, '"reason":"content_filter"'),
    "ollama": (Ollama(), "/api/chat", {"messages": MESSAGES}, '"done_reason":"content_filter"'),
    "anthropic": (
        Anthropic(),
        "/v1/messages",
        {"messages": MESSAGES, "max_tokens": 9},
        '"stop_reason":"refusal"',
    ),
}


@pytest.mark.parametrize("began", BEGINNINGS)
@pytest.mark.parametrize("api", APIS)
def test_the_stream_ends_with_the_refusal(api, began):
    """What was sent stays, the refusal's text comes after it, and the last event has the reason."""
    dialect, path, body, reason = APIS[api]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}
    body = {"model": "smol", "stream": True, **body}
    writer = dialect.writer(dialect.read(json.dumps(body).encode(), Request(scope)), ID)
    refusal = Refusal(category="rudeness", place="answer")
    refused = {"refused": True, "refusal": refusal, "finish_reason": "content_filter", "model": "smol"}
    events = (
        StartedEvent(id=ID, model="smol"),
        BEGINNINGS[began],
        Reply(response="Not here.", id=ID, **refused),
    )
    written = b"".join(writer.event(ReplyEvent(event, 1)) for event in events).decode()
    assert "Not here." in written
    assert reason in written
