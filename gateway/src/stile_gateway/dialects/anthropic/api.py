"""``/v1/messages`` and ``/v1/messages/count_tokens``: what Anthropic's clients use."""

from collections.abc import Mapping
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.responses import JSONResponse

from stile_gateway.dialects.anthropic.answer import count, message
from stile_gateway.dialects.anthropic.errors import AnthropicError, anthropic_error, request_id
from stile_gateway.dialects.anthropic.request import (
    CountRequest,
    MessagesCall,
    MessagesRequest,
    read_count,
    read_messages,
)
from stile_gateway.dialects.anthropic.stream import BlockEvents
from stile_gateway.dialects.base import ApiRequest, Dialect
from stile_gateway.dialects.faults import foreign_status
from stile_gateway.dialects.replies import reply_of
from stile_gateway.errors import GatewayError
from stile_gateway.http.answers import answer
from stile_gateway.http.dependencies import Headers, Sender
from stile_gateway.http.document import NAMED_DATA, answer_body, errors, event_stream, request_body
from stile_gateway.http.routes import ModelRoute
from stile_gateway.requests.events import ReplyEvent

_MESSAGES, _COUNT = "/messages", "/messages/count_tokens"


class TokenCount(BaseModel):
    """How many tokens a conversation has."""

    input_tokens: int


_ANSWER = answer_body(
    "A `message`; with `stream`, its events as they come.",
    {
        "id": {"type": "string"},
        "type": {"const": "message"},
        "role": {"const": "assistant"},
        "model": {"type": "string"},
        "content": {"type": "array", "minItems": 1},
        "stop_reason": {"type": "string"},
        "stop_sequence": {"type": "null"},
        "usage": {"type": "object"},
    },
    event_stream("Server-sent events by their names; `message_stop` or `error` is the last.", NAMED_DATA),
)
_ERRORS = {**errors(shape=AnthropicError), **errors(404, shape=AnthropicError)}


class Anthropic(Dialect):
    """Anthropic's messages."""

    prefixes = ("/v1/messages",)
    bodies = (MessagesRequest, CountRequest)

    def read(self, body: bytes, request: Request) -> MessagesCall:
        """Read a request for a message, or for a count."""
        return read_count(body) if request.url.path.endswith(_COUNT) else read_messages(body)

    def whole(self, request: ApiRequest, chat_id: UUID, event: ReplyEvent) -> Response:  # noqa: ARG002 -- the base's
        """Return a message, or a count."""
        assert isinstance(request, MessagesCall)  # noqa: S101 -- read has made it
        return JSONResponse((count if request.counts else message)(reply_of(event), request))

    def writer(self, request: ApiRequest, chat_id: UUID) -> BlockEvents:
        """Return what writes events."""
        assert isinstance(request, MessagesCall)  # noqa: S101 -- read has made it
        return BlockEvents(chat_id, request)

    def error(self, error: GatewayError) -> bytes:
        """Write an error in Anthropic's shape."""
        return anthropic_error(error)

    def status(self, error: GatewayError) -> int:
        """Return Anthropic's status of an error."""
        return foreign_status(error)

    def error_headers(self, error: GatewayError) -> Mapping[str, str]:
        """Say if a repeat is of no use: Anthropic's clients repeat a 5xx by themselves."""
        return {"x-should-retry": "false"} if error.reply().error.final else {}

    def answer_headers(self, seconds: float) -> Mapping[str, str]:  # noqa: ARG002 -- the base's
        """Name the request as Anthropic does."""
        known = request_id()
        return {} if known is None else {"request-id": known}

    def router(self) -> APIRouter:
        """Return the routes of messages."""
        routes = APIRouter(prefix="/v1", tags=["Anthropic"])
        for path, body, name, summary, good in (
            (_MESSAGES, MessagesRequest, "messages", "Ask the model as Anthropic's clients do", _ANSWER),
            (_COUNT, CountRequest, "count_tokens", "Count a conversation's tokens", {"model": TokenCount}),
        ):
            routes.add_api_route(
                path,
                self._post,
                methods=["POST"],
                route_class_override=ModelRoute,
                operation_id=name,
                summary=summary,
                responses={200: good, **_ERRORS},
                response_class=Response,
                openapi_extra=request_body(body),
            )
        return routes

    async def _post(self, request: Request, sender: Sender, headers: Headers) -> Response:
        """Ask the model; the filter decides first. A refusal's `stop_reason` is `refusal`."""
        return await answer(self, request, sender, headers)
