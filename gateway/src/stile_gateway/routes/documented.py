"""What the OpenAPI document says of the chat routes, which read their requests by themselves."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from stile_contracts.errors import ERRORS
from stile_contracts.messages import ErrorReply, Reply
from stile_contracts.subjects import Lane
from stile_gateway.callers import LANE
from stile_gateway.named_events import LAST_EVENT_ID
from stile_gateway.routes.asking import DURATION, IDEMPOTENCY_KEY, KEY, PREFER, TIMEOUT

MAX_WAIT = 60
"""Seconds of ``?wait``: proxies close a silent connection after a minute."""


class Unanswered(BaseModel):
    """A request that has no outcome yet."""

    id: UUID
    state: Literal["waiting", "running"]
    position: int | None = None
    """How many requests are answered before it."""
    estimate_seconds: float | None = None
    """In how many seconds it will be begun."""


def errors(shape: type[BaseModel], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the errors of these statuses; of all but 404 and 405 where none is named."""
    every = {kind.status for kind in ERRORS.values()} - {404, 405}
    described: dict[int | str, dict[str, Any]] = {
        status: {
            "model": shape,
            "description": " or ".join(f"`{code}`" for code, kind in ERRORS.items() if kind.status == status),
        }
        for status in sorted(statuses or every)
    }
    for status in {429, 503} & described.keys():
        described[status]["headers"] = _RETRY
    return described


_RETRY = {
    "Retry-After": {
        "description": "Seconds after which a repeat may do better.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "retry-after-ms": {
        "description": "The same in milliseconds.",
        "schema": {"type": "integer", "minimum": 1},
    },
}

CHAT_ERRORS = errors(ErrorReply)
ONE_ERRORS = {**CHAT_ERRORS, **errors(ErrorReply, 404)}
CANCEL_ERRORS = errors(ErrorReply, 400, 401, 404, 429, 500, 503, 504)
QUEUE_ERRORS = errors(ErrorReply, 400, 401, 429, 503)

ANSWER: dict[str, Any] = {
    "description": "The answer, or the refusal in its place; with `stream`, its events as they come.",
    "model": Reply,
    "content": {
        "text/event-stream": {
            "schema": {
                "description": "Server-sent events, one after another; `done` or `error` is the last.",
                "type": "object",
                "properties": {
                    "event": {"enum": ["queued", "started", "token", "done", "error"]},
                    "id": {"type": "string"},
                    "data": {"type": "string", "contentMediaType": "application/json"},
                },
                "required": ["event", "data"],
            }
        }
    },
}

ACCEPTED: dict[str, Any] = {
    "description": "It waits or runs; come back to `Location` for its answer.",
    "model": Unanswered,
}

_RESUME = {
    "name": LAST_EVENT_ID,
    "in": "header",
    "required": False,
    "description": "The `id` of the last event that was received: a stream goes on after it.",
    "schema": {"type": "string"},
}

PARAMETERS: list[dict[str, Any]] = [
    {
        "name": IDEMPOTENCY_KEY,
        "in": "header",
        "required": False,
        "description": "The same key and body again give the same answer, generated once.",
        "schema": {"type": "string", "pattern": f"^{KEY.pattern}$"},
    },
    {
        "name": LANE,
        "in": "header",
        "required": False,
        "description": "`batch` waits behind people: one of its requests is answered for three of theirs.",
        "schema": {"enum": list(Lane), "default": Lane.INTERACTIVE},
    },
    {
        "name": TIMEOUT,
        "in": "header",
        "required": False,
        "description": "How long an answer is of use: `500ms`, `30s`, `2m`; at most what is configured.",
        "schema": {"type": "string", "pattern": f"^{DURATION.pattern}$"},
    },
    {
        "name": "X-Request-Id",
        "in": "header",
        "required": False,
        "description": "Comes back in the answer and stands in the log; one that is unfit is replaced.",
        "schema": {"type": "string"},
    },
]

CHAT_PARAMETERS = [
    *PARAMETERS,
    {
        "name": PREFER,
        "in": "header",
        "required": False,
        "description": "`respond-async` (RFC 7240): a 202 once it is accepted, and its address.",
        "schema": {"type": "string"},
    },
    _RESUME,
]

ONE_PARAMETERS = [
    {
        "name": "wait",
        "in": "query",
        "required": False,
        "description": "Seconds to wait for the outcome.",
        "schema": {"type": "integer", "minimum": 0, "maximum": MAX_WAIT, "default": 0},
    },
    _RESUME,
]
