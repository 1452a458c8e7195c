"""``POST /chat`` and ``POST /v1/chat``."""

from fastapi import APIRouter, Request, Response

from stile_contracts.messages import ChatRequest, EventKind, EventLevel
from stile_gateway.callers import Callers
from stile_gateway.chat import Chat
from stile_gateway.disconnect import ClientGoneError, unless_gone
from stile_gateway.limits import read_request
from stile_gateway.named_events import LAST_EVENT_ID, NamedEvents, Sent
from stile_gateway.note import note_of
from stile_gateway.responses import NoResponse, streamed
from stile_gateway.routes.asking import (
    PREFERENCE_APPLIED,
    PULSE_SECONDS,
    RESPOND_ASYNC,
    Asker,
    is_stream_wanted,
    prefers_later,
)
from stile_gateway.routes.documented import ACCEPTED, ANSWER, CHAT_ERRORS, CHAT_PARAMETERS
from stile_gateway.routes.one import answered, unanswered


def router(chat: Chat, callers: Callers, model: type[ChatRequest]) -> APIRouter:
    """Make the routes that ask.

    Args:
        chat: the use case.
        callers: who may ask, and how much.
        model: the request with this installation's limits.
    """
    routes = APIRouter(tags=["chat"])
    asker = Asker(chat, callers)

    async def post_chat(request: Request) -> Response:
        """Ask the model; the filter decides first. One JSON answer, or events with `"stream": true`."""
        note = note_of(request.scope)
        caller = asker.caller(request)
        body = await request.body()
        asked = read_request(model, body)
        stream = asked.stream or is_stream_wanted(request)
        later = not stream and prefers_later(request)
        wanted = EventLevel.TOKEN if stream else EventLevel.STATE
        question = asker.question(request, caller, body, wanted, answer_later=later)
        note.chat_id = str(question.id)
        try:
            async with unless_gone(request.receive):
                if stream:
                    writer = NamedEvents(Sent.parse(request.headers.get(LAST_EVENT_ID)))
                    return await streamed(chat.events(question, PULSE_SECONDS), writer, note)
                said = await (chat.begin if later else chat.ask)(question)
        except ClientGoneError:
            return NoResponse(note)
        if said.event is EventKind.DONE:
            return answered(said, note)
        here = f"{request.url.path}/{question.id}"
        return unanswered(said, question.id, {"Location": here, PREFERENCE_APPLIED: RESPOND_ASYNC})

    for path, name in (("/chat", "chat"), ("/v1/chat", "chat_v1")):
        routes.add_api_route(
            path,
            post_chat,
            methods=["POST"],
            name=name,
            operation_id=name,
            summary="Ask the model",
            responses={200: ANSWER, 202: ACCEPTED, **CHAT_ERRORS},
            response_class=Response,
            openapi_extra={
                "parameters": CHAT_PARAMETERS,
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ChatRequest"}}},
                },
            },
        )
    return routes
