"""``/chat``: the request is a ``ChatRequest``, the answer a ``Reply``."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, Field, ValidationError
from pydantic.json_schema import SkipJsonSchema
from structlog.contextvars import bind_contextvars

from stile_contracts.messages import AcceptedEvent, CancelReceipt, ChatRequest, PositionEvent, Reply
from stile_gateway.dialects.base import ApiRequest, Dialect
from stile_gateway.dialects.faults import check_json, invalid_request
from stile_gateway.dialects.stile.stream import NamedEvents, StreamPosition
from stile_gateway.errors import GatewayError
from stile_gateway.http.answers import (
    PREFERENCE_APPLIED,
    PULSE_SECONDS,
    RESPOND_ASYNC,
    ClientGoneError,
    NoResponse,
    answer,
    note_refusal,
    noting_trimmed,
    streamed,
    unless_gone,
)
from stile_gateway.http.dependencies import ChatHeaders, Client, Sender, services_of
from stile_gateway.http.document import errors, event_stream, request_body
from stile_gateway.http.routes import ModelRoute
from stile_gateway.requests.events import ReplyEvent

LAST_EVENT_ID = "Last-Event-ID"
PREFER = "Prefer"
MAX_WAIT = 60
"""Seconds of ``?wait``: proxies close a silent connection after a minute."""

LastEventId = Annotated[
    str | SkipJsonSchema[None],
    Header(
        alias=LAST_EVENT_ID,
        description="The `id` of the last event that was received: a stream goes on after it.",
    ),
]


class StileHeaders(ChatHeaders):
    """The headers of ``POST /chat``."""

    prefer: str | SkipJsonSchema[None] = Field(None, alias=PREFER)
    """`respond-async` (RFC 7240): a 202 once it is accepted, and its address."""
    last_event_id: str | SkipJsonSchema[None] = Field(None, alias=LAST_EVENT_ID)
    """The `id` of the last event that was received: a stream goes on after it."""


class Unanswered(BaseModel):
    """A request that has no result yet."""

    id: UUID
    state: Literal["waiting", "running"]
    position: int | None = None
    """How many requests are answered before it."""
    estimate_seconds: float | None = None
    """In how many seconds it will be begun."""
    held: bool | None = None
    """True if the queue is on hold: nothing is begun until it is resumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StileRequest(ApiRequest):
    """A ``ChatRequest``, and where its stream and its answer are."""

    path: str
    last_event_id: str | None = None


_ANSWER: dict[str, Any] = {
    "description": "The answer, or the refusal in its place; with `stream`, its events as they come.",
    "model": Reply,
    "content": event_stream(
        "Server-sent events, one after another; `done` or `error` is the last.",
        {
            "event": {"enum": ["queued", "started", "token", "done", "error"]},
            "id": {"type": "string"},
            "data": {"type": "string", "contentMediaType": "application/json"},
        },
        optional={"id"},
    ),
}
_ACCEPTED: dict[str, Any] = {
    "description": "It waits or runs; come back to `Location` for its answer.",
    "model": Unanswered,
}


class Stile(Dialect):
    """Stile's own API."""

    prefixes = ("/v1/chat",)
    bodies = (ChatRequest,)

    def read(self, body: bytes, request: Request) -> StileRequest:
        """Read a ``ChatRequest``; the bus gets the client's own bytes."""
        chat = read_chat(body)
        is_stream = chat.stream or _wants_stream(request)
        return StileRequest(
            body=body,
            prompt=chat.prompt,
            contents=[message.content for message in chat.messages or ()],
            is_stream=is_stream,
            answer_later=_prefers_later(request),
            path=request.scope["path"],
            last_event_id=request.headers.get(LAST_EVENT_ID),
        )

    def whole(self, request: ApiRequest, chat_id: UUID, event: ReplyEvent) -> Response:
        """Return the answer as it came, or where it will be."""
        assert isinstance(request, StileRequest)  # noqa: S101 -- read has made it
        if isinstance(event.body, Reply):
            return Response(event.json, media_type="application/json")
        here = {"Location": f"{request.path}/{chat_id}", PREFERENCE_APPLIED: RESPOND_ASYNC}
        return _unanswered(event, chat_id, here)

    def writer(self, request: ApiRequest, chat_id: UUID) -> NamedEvents:  # noqa: ARG002 -- the base's
        """Return what writes named events."""
        assert isinstance(request, StileRequest)  # noqa: S101 -- read has made it
        return NamedEvents(self, StreamPosition.parse(request.last_event_id))

    def error(self, error: GatewayError) -> bytes:
        """Write an ``ErrorReply``."""
        return error.reply().model_dump_json(exclude_none=True).encode()

    def router(self) -> APIRouter:
        """Return the routes of ``/chat``, which are those of ``/v1/chat`` too."""
        routes = APIRouter(tags=["chat"])
        for path, name in (("/chat", "chat"), ("/v1/chat", "chat_v1")):
            # What is no UUID is another address: "completions" is.
            one = f"{path}/{{chat_id:uuid}}"
            routes.add_api_route(
                path,
                self._post,
                methods=["POST"],
                route_class_override=ModelRoute,
                operation_id=name,
                summary="Ask the model",
                responses={200: _ANSWER, 202: _ACCEPTED, **errors()},
                response_class=Response,
                openapi_extra=request_body(ChatRequest),
            )
            routes.add_api_route(
                one,
                self._get,
                methods=["GET"],
                operation_id=f"{name}_state",
                summary="What became of a request",
                responses={200: _ANSWER, 202: _ACCEPTED, **errors(), **errors(404)},
                response_class=Response,
            )
            routes.add_api_route(
                one,
                self._delete,
                methods=["DELETE"],
                operation_id=f"{name}_cancel",
                summary="Cancel a request",
                response_model_exclude_none=True,
                responses=errors(400, 401, 404, 429, 500, 503, 504),
            )
        return routes

    async def _post(
        self, request: Request, sender: Sender, headers: Annotated[StileHeaders, Header()]
    ) -> Response:
        """Ask the model; the filter decides first. One JSON answer, or events with `"stream": true`."""
        return await answer(self, request, sender, headers)

    async def _get(
        self,
        request: Request,
        chat_id: UUID,
        client: Client,
        wait: Annotated[int, Query(ge=0, le=MAX_WAIT, description="Seconds to wait for the outcome.")] = 0,
        last_event_id: LastEventId = None,
    ) -> Response:
        """Tell what became of a request of one's own: its answer, its error, or where it stands."""
        bind_contextvars(chat_id=str(chat_id))
        service = services_of(request).requests
        await request.body()  # of no use; but only after it the client's leaving is noticed
        try:
            async with unless_gone(request.receive):
                if _wants_stream(request):
                    writer = NamedEvents(self, StreamPosition.parse(last_event_id))
                    return await streamed(service.follow(client.client, chat_id, PULSE_SECONDS), writer)
                event = await service.status(client.client, chat_id, wait)
        except ClientGoneError:
            return NoResponse()
        note_refusal(event)
        if isinstance(event.body, Reply):
            return noting_trimmed(Response(event.json, media_type="application/json"), event)
        return _unanswered(event, chat_id)

    async def _delete(self, request: Request, chat_id: UUID, client: Client) -> CancelReceipt:
        """Cancel a request of one's own; the receipt says what that has hit."""
        bind_contextvars(chat_id=str(chat_id))
        return await services_of(request).requests.cancel(client.client, chat_id)


def read_chat(body: bytes) -> ChatRequest:
    """Read a body.

    Raises:
        InvalidRequestError: it is no such request; ``param`` is the field at fault.
    """
    try:
        chat = ChatRequest.model_validate_json(body)
    except ValidationError as error:
        raise invalid_request(error) from None
    check_json(body)
    return chat


def _wants_stream(request: Request) -> bool:
    return "text/event-stream" in request.headers.get("accept", "")


def _prefers_later(request: Request) -> bool:
    """Tell whether the client prefers to come back for its answer (RFC 7240, section 4.1)."""
    preferences = ",".join(request.headers.getlist(PREFER)).split(",")
    return any(one.partition(";")[0].strip().lower() == RESPOND_ASYNC for one in preferences)


def _unanswered(event: ReplyEvent, chat_id: UUID, headers: dict[str, str] | None = None) -> Response:
    match event.body:
        case AcceptedEvent() | PositionEvent() as queued:
            state = Unanswered(
                id=chat_id,
                state="waiting",
                position=queued.position,
                estimate_seconds=queued.estimate_seconds,
                held=queued.held,
            )
        case _:
            state = Unanswered(id=chat_id, state="running")
    return Response(state.model_dump_json(exclude_none=True), 202, headers, media_type="application/json")
