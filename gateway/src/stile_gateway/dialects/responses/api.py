"""``/v1/responses``: the newer of OpenAI's two APIs."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import JSONResponse
from structlog.contextvars import bind_contextvars

from stile_contracts.errors import ErrorCode
from stile_contracts.messages import CancelHit
from stile_gateway.clients.callers import Caller
from stile_gateway.dialects.base import ApiRequest
from stile_gateway.dialects.openai.api import OpenAI
from stile_gateway.dialects.openai.errors import OpenAIError
from stile_gateway.dialects.responses.answer import Shape
from stile_gateway.dialects.responses.call import Earlier, ResponseCall, make_call
from stile_gateway.dialects.responses.request import ResponseRequest, read_response
from stile_gateway.dialects.responses.stored import Stored, StoredResponses, items_of
from stile_gateway.dialects.responses.stream import ResponseEvents
from stile_gateway.errors import NotFoundError, RelayedError, UnsupportedParameterError
from stile_gateway.http.answers import (
    PULSE_SECONDS,
    ClientGoneError,
    NoResponse,
    note_refusal,
    send,
    streamed,
    unless_gone,
)
from stile_gateway.http.dependencies import Client, Headers, Sender, client_request, services_of
from stile_gateway.http.document import NAMED_DATA, answer_body, errors, event_stream, request_body
from stile_gateway.http.routes import ModelRoute
from stile_gateway.requests.events import ReplyEvent

ResponseName = Annotated[
    str, Path(description="The `id` of a response.", examples=["resp_01920000-0000-7000-8000-000000000001"])
]


class StoredQuery(BaseModel):
    """How a stored response is read."""

    stream: bool = Field(default=False, description="As events, from the first one on.")


class PageQuery(BaseModel):
    """Which items are listed."""

    limit: int = Field(20, ge=1, le=100)
    order: Literal["asc", "desc"] = "desc"
    after: str | SkipJsonSchema[None] = Field(None, description="The `id` of the item before the first.")


class DeletedResponse(BaseModel):
    """What is left of a response."""

    id: str
    object: Literal["response"] = "response"
    deleted: Literal[True] = True


_RESPONSE: dict[str, Any] = {
    "id": {"type": "string"},
    "object": {"const": "response"},
    "created_at": {"type": "integer"},
    "status": {"enum": ["completed", "failed", "in_progress", "cancelled", "queued", "incomplete"]},
    "model": {"type": "string"},
    "output": {"type": "array", "items": {"type": "object"}},
    "usage": {"type": ["object", "null"]},
}
_WHOLE = answer_body("The `response`.", _RESPONSE)
_ANSWER = answer_body(
    "A `response`; with `stream`, its events as they come.",
    _RESPONSE,
    event_stream(
        "Server-sent events; `response.completed`, `.incomplete` or `.failed` is the last.", NAMED_DATA
    ),
)
_LINKS = {
    name: {"operationId": name, "parameters": {"response_id": "$response.body#/id"}}
    for name in ("response", "response_input_items", "response_cancel", "response_delete")
}
_ITEMS = answer_body(
    "The items, in pages.",
    {
        "object": {"const": "list"},
        "data": {"type": "array", "items": {"type": "object"}},
        "first_id": {"type": "string"},
        "last_id": {"type": "string"},
        "has_more": {"type": "boolean"},
    },
)
_ERRORS = {**errors(shape=OpenAIError), **errors(404, shape=OpenAIError)}


class Responses(OpenAI):
    """OpenAI's responses; errors and heads are those of its chat completions."""

    prefixes = ("/v1/responses",)
    bodies = (ResponseRequest,)

    def read(self, body: bytes, request: Request) -> ResponseCall:  # type: ignore[override]  # noqa: ARG002 -- the base's
        """Read a ``ResponseRequest`` that refers to nothing stored."""
        return make_call(read_response(body), Earlier())

    def whole(self, request: ApiRequest, chat_id: UUID, event: ReplyEvent) -> Response:
        """Return a ``response``."""
        assert isinstance(request, ResponseCall)  # noqa: S101 -- read has made it
        return JSONResponse(Shape(chat_id, request.record).state(event))

    def writer(self, request: ApiRequest, chat_id: UUID) -> ResponseEvents:  # type: ignore[override]  # another API
        """Return what writes events."""
        assert isinstance(request, ResponseCall)  # noqa: S101 -- read has made it
        return ResponseEvents(Shape(chat_id, request.record))

    def router(self) -> APIRouter:
        """Return the routes of responses."""
        routes = APIRouter(prefix="/v1/responses", tags=["OpenAI"])
        routes.add_api_route(
            "",
            self._post,
            methods=["POST"],
            route_class_override=ModelRoute,
            operation_id="responses",
            summary="Ask the model as OpenAI's newer clients do",
            responses={200: {**_ANSWER, "links": _LINKS}, **_ERRORS},
            response_class=Response,
            openapi_extra=request_body(ResponseRequest),
        )
        one = "/{response_id}"
        for method, path, run, name, summary, good in (
            ("GET", one, self._get, "response", "A stored response", _ANSWER),
            ("POST", f"{one}/cancel", self._cancel, "response_cancel", "Cancel a response", _WHOLE),
            (
                *("GET", f"{one}/input_items", self._input_items, "response_input_items"),
                *("What was sent for a stored response", _ITEMS),
            ),
        ):
            routes.add_api_route(
                path,
                run,
                methods=[method],
                operation_id=name,
                summary=summary,
                responses={200: good, **_ERRORS},
                response_class=Response,
            )
        routes.add_api_route(
            one,
            self._delete,
            methods=["DELETE"],
            operation_id="response_delete",
            summary="Delete a stored response",
            responses=_ERRORS,
        )
        return routes

    async def _post(self, request: Request, sender: Sender, headers: Headers) -> Response:
        """Ask the model; the filter decides first. A refusal is `incomplete`, for `content_filter`."""
        asked = read_response(await request.body())
        call = make_call(asked, await _stored(request, sender).earlier(asked))
        chat = client_request(request, sender, headers, call)
        if call.is_stored:
            conversations = services_of(request).conversations
            await conversations.keep(sender.client, chat.id, call.record.json())
        return await send(self, call, request, chat)

    async def _get(
        self,
        request: Request,
        response_id: ResponseName,
        client: Client,
        query: Annotated[StoredQuery, Query()],
    ) -> Response:
        """Return a stored response as it is now: waiting, running, or with its answer or its error."""
        if "starting_after" in request.query_params:
            raise UnsupportedParameterError(
                "A stream is read from its first event on; leave starting_after out.", param="starting_after"
            )
        await request.body()  # of no use; but only after it the client's leaving is noticed
        stored = await _find(request, client, response_id)
        service = services_of(request).requests
        try:
            async with unless_gone(request.receive):
                if query.stream:
                    events = service.follow(client.client, stored.chat_id, PULSE_SECONDS)
                    return await streamed(events, ResponseEvents(stored.shape))
                event = await service.status(client.client, stored.chat_id, 0)
        except ClientGoneError:
            return NoResponse()
        except RelayedError as error:
            if error.code is ErrorCode.NOT_FOUND:
                raise _not_found(stored, response_id) from None
            if not error.is_result:
                raise
            return JSONResponse(stored.shape.failed(error))
        note_refusal(event)
        return JSONResponse(stored.shape.state(event))

    async def _delete(self, request: Request, response_id: ResponseName, client: Client) -> DeletedResponse:
        """Delete a response of one's own: it can be neither read nor continued."""
        stored = await _find(request, client, response_id)
        await _stored(request, client).delete(stored)
        return DeletedResponse(id=response_id)

    async def _cancel(self, request: Request, response_id: ResponseName, client: Client) -> Response:
        """Cancel a response of one's own; one that has its answer stays as it is."""
        stored = await _find(request, client, response_id)
        service = services_of(request).requests
        receipt = await service.cancel(client.client, stored.chat_id)
        if receipt.hit is CancelHit.FINISHED:
            return await self._get(request, response_id, client, StoredQuery())
        return JSONResponse(stored.shape.open("cancelled"))

    async def _input_items(
        self,
        request: Request,
        response_id: ResponseName,
        client: Client,
        query: Annotated[PageQuery, Query()],
    ) -> Response:
        """List what the client sent with a request, without what it continued."""
        items = items_of(await _find(request, client, response_id))
        if query.order == "desc":
            items.reverse()
        if query.after is not None:
            begin = next(
                (index for index, item in enumerate(items, 1) if item["id"] == query.after), len(items)
            )
            items = items[begin:]
        page = items[: query.limit]
        first, last = (page[0]["id"], page[-1]["id"]) if page else ("", "")
        return JSONResponse(
            {
                "object": "list",
                "data": page,
                "first_id": first,
                "last_id": last,
                "has_more": len(items) > query.limit,
            }
        )


def _stored(request: Request, client: Caller) -> StoredResponses:
    services = services_of(request)
    return StoredResponses(services.requests, services.conversations, client.client)


async def _find(request: Request, client: Caller, name: str) -> Stored:
    stored = await _stored(request, client).find(name)
    bind_contextvars(chat_id=str(stored.chat_id))
    return stored


def _not_found(stored: Stored, name: str) -> NotFoundError:
    error = NotFoundError(f"Response with id '{name}' not found.", param="response_id")
    error.chat_id = stored.chat_id
    return error
