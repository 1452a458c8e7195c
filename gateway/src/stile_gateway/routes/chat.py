"""``POST /chat`` and ``POST /v1/chat``."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from stile_contracts.errors import ERRORS
from stile_contracts.messages import CancelReceipt, ChatRequest, ErrorReply, Reply, Wanted
from stile_contracts.subjects import Lane
from stile_gateway.chat import Chat
from stile_gateway.disconnect import ClientGoneError, unless_gone
from stile_gateway.errors import InternalError
from stile_gateway.limits import read_request
from stile_gateway.note import Note, note_of
from stile_gateway.question import Question
from stile_gateway.responses import EventStream, NamedEvents, NoResponse
from stile_gateway.routes.asking import (
    DURATION,
    IDEMPOTENCY_KEY,
    KEY,
    LANE,
    PULSE_SECONDS,
    TIMEOUT,
    check_media_type,
    client_of,
    question_of,
)

_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {
        "model": ErrorReply,
        "description": " or ".join(f"`{code}`" for code, kind in ERRORS.items() if kind.status == status),
    }
    for status in sorted({kind.status for kind in ERRORS.values()} - {404, 405})
}
for _status in (429, 503):
    _ERRORS[_status]["headers"] = {
        "Retry-After": {
            "description": "Seconds after which a repeat may do better.",
            "schema": {"type": "integer", "minimum": 1},
        }
    }

_CANCEL_ERRORS: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorReply, "description": "`not_found`"},
    **{status: _ERRORS[status] for status in (500, 503, 504)},
}

_ANSWER = {
    "description": "The answer, or the refusal in its place; with `stream`, its events as they come.",
    "model": Reply,
    "content": {
        "text/event-stream": {
            "schema": {
                "description": "Server-sent events, one after another; `done` or `error` is the last.",
                "type": "object",
                "properties": {
                    "event": {"enum": ["queued", "started", "token", "done", "error"]},
                    "data": {"type": "string", "contentMediaType": "application/json"},
                },
                "required": ["event", "data"],
            }
        }
    },
}

PARAMETERS = [
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


def router(chat: Chat, model: type[ChatRequest]) -> APIRouter:
    """Make the routes of chats.

    Args:
        chat: the use case.
        model: the request with this installation's limits.
    """
    routes = APIRouter(tags=["chat"])

    async def post_chat(request: Request) -> Response:
        """Ask the model; the filter decides first. One JSON answer, or events with `"stream": true`."""
        note = note_of(request.scope)
        check_media_type(request.headers)
        body = await request.body()
        asked = read_request(model, body)
        stream = asked.stream or "text/event-stream" in request.headers.get("accept", "")
        question = question_of(request, body, Wanted.TOKEN if stream else Wanted.STATE)
        note.chat_id = str(question.id)
        try:
            async with unless_gone(request.receive):
                return await (_stream if stream else _whole)(chat, question, note)
        except ClientGoneError:
            return NoResponse(note)

    async def delete_chat(request: Request, chat_id: UUID) -> CancelReceipt:
        """Cancel a request of one's own; the receipt says what that has hit."""
        note_of(request.scope).chat_id = str(chat_id)
        return await chat.cancel(client_of(request), chat_id)

    for path, name in (("/chat", "chat"), ("/v1/chat", "chat_v1")):
        routes.add_api_route(
            path,
            post_chat,
            methods=["POST"],
            name=name,
            operation_id=name,
            summary="Ask the model",
            responses={200: _ANSWER, **_ERRORS},
            response_class=Response,
            openapi_extra={
                "parameters": PARAMETERS,
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ChatRequest"}}},
                },
            },
        )
        routes.add_api_route(
            # What is no UUID is another address: "completions" is.
            f"{path}/{{chat_id:uuid}}",
            delete_chat,
            methods=["DELETE"],
            name=f"{name}_cancel",
            operation_id=f"{name}_cancel",
            summary="Cancel a request",
            response_model_exclude_none=True,
            responses=_CANCEL_ERRORS,
        )
    return routes


async def _whole(chat: Chat, question: Question, note: Note) -> Response:
    said = await chat.ask(question)
    if said.reply is not None and said.reply.refused:
        note.code = "refused"
    return Response(said.body, media_type="application/json")


async def _stream(chat: Chat, question: Question, note: Note) -> Response:
    events = chat.events(question, PULSE_SECONDS)
    async for first in events:
        if first is not None:
            return EventStream(first, events, NamedEvents(), note)
    raise InternalError("The request ended without an answer.")
