"""One answer and its events, as the gateway has them from the bus; each API's tests write them."""

from typing import Any
from uuid import UUID

from stile_contracts.messages import Reply, StartedEvent, TokenEvent, Usage
from stile_gateway.requests.events import ReplyEvent

ID = UUID("01920000-0000-7000-8000-000000000001")
USAGE = Usage(prompt_tokens=3, completion_tokens=2, total_tokens=5)
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"a":1}'}}


def reply(text: str = "blue sky", **fields: Any) -> Reply:
    """Return a whole answer."""
    return Reply(response=text, id=ID, **{"finish_reason": "stop", "model": "smol", "usage": USAGE, **fields})


def started(attempt: int = 1) -> ReplyEvent:
    """Return the beginning of an attempt."""
    return ReplyEvent(StartedEvent(id=ID, model="smol"), attempt)


def token(text: str = "", attempt: int = 1, **fields: Any) -> ReplyEvent:
    """Return a piece of an answer."""
    return ReplyEvent(TokenEvent(text=text, **fields), attempt)


def done(answer: Reply, attempt: int = 1) -> ReplyEvent:
    """Return the end of an attempt."""
    return ReplyEvent(answer, attempt)
