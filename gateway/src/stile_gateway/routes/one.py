"""``GET`` and ``DELETE`` of one chat by its id: what became of it, or that it is wanted no more."""

import re
from collections.abc import Mapping
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from stile_contracts.messages import CancelReceipt, EventKind, PositionEvent
from stile_gateway.admission import caller_of
from stile_gateway.chat import Chat
from stile_gateway.disconnect import ClientGoneError, unless_gone
from stile_gateway.errors import InvalidRequestError
from stile_gateway.hearing import Said
from stile_gateway.named_events import LAST_EVENT_ID, NamedEvents, Sent
from stile_gateway.note import Note, note_of
from stile_gateway.responses import NoResponse, streamed
from stile_gateway.routes.asking import PULSE_SECONDS, is_stream_wanted
from stile_gateway.routes.documented import (
    ACCEPTED,
    ANSWER,
    CANCEL_ERRORS,
    MAX_WAIT,
    ONE_ERRORS,
    ONE_PARAMETERS,
    Unanswered,
)

_SECONDS = re.compile(r"[0-9]{1,4}")


def router(chat: Chat) -> APIRouter:
    """Make the routes of one chat of ``chat``."""
    routes = APIRouter(tags=["chat"])

    async def get_chat(request: Request, chat_id: UUID) -> Response:
        """Tell what became of a request of one's own: its answer, its error, or where it stands."""
        note = note_of(request.scope)
        note.chat_id = str(chat_id)
        client = caller_of(request.scope).client
        wait = _wait(request.query_params.get("wait", "0"))
        await request.body()  # of no use; but behind it nobody would notice that the client has gone
        try:
            async with unless_gone(request.receive):
                if is_stream_wanted(request):
                    writer = NamedEvents(Sent.parse(request.headers.get(LAST_EVENT_ID)))
                    return await streamed(chat.follow(client, chat_id, PULSE_SECONDS), writer, note)
                said = await chat.state(client, chat_id, wait)
        except ClientGoneError:
            return NoResponse(note)
        return answered(said, note) if said.event is EventKind.DONE else unanswered(said, chat_id)

    async def delete_chat(request: Request, chat_id: UUID) -> CancelReceipt:
        """Cancel a request of one's own; the receipt says what that has hit."""
        note_of(request.scope).chat_id = str(chat_id)
        return await chat.cancel(caller_of(request.scope).client, chat_id)

    for path, name in (("/chat", "chat"), ("/v1/chat", "chat_v1")):
        # What is no UUID is another address: "completions" is.
        one = f"{path}/{{chat_id:uuid}}"
        routes.add_api_route(
            one,
            get_chat,
            methods=["GET"],
            name=f"{name}_state",
            operation_id=f"{name}_state",
            summary="What became of a request",
            responses={200: ANSWER, 202: ACCEPTED, **ONE_ERRORS},
            response_class=Response,
            openapi_extra={"parameters": ONE_PARAMETERS},
        )
        routes.add_api_route(
            one,
            delete_chat,
            methods=["DELETE"],
            name=f"{name}_cancel",
            operation_id=f"{name}_cancel",
            summary="Cancel a request",
            response_model_exclude_none=True,
            responses=CANCEL_ERRORS,
        )
    return routes


def answered(said: Said, note: Note) -> Response:
    """Return the answer as it came."""
    if said.reply is not None and said.reply.refused:
        note.code = "refused"
    return Response(said.body, media_type="application/json")


def unanswered(said: Said, chat_id: UUID, headers: Mapping[str, str] | None = None) -> Response:
    """Return where a request stands."""
    state = Unanswered(id=chat_id, state="running")
    if said.event in {EventKind.ACCEPTED, EventKind.POSITION}:
        state = Unanswered(id=chat_id, state="waiting")
        try:
            place = PositionEvent.model_validate_json(said.body)
        except ValidationError:
            pass  # that it waits is known all the same
        else:
            state.position, state.estimate_seconds = place.position, place.estimate_seconds
    return Response(state.model_dump_json(exclude_none=True), 202, headers, media_type="application/json")


def _wait(text: str) -> int:
    if not _SECONDS.fullmatch(text) or int(text) > MAX_WAIT:
        raise InvalidRequestError(f"wait: 0 to {MAX_WAIT} seconds.", param="wait")
    return int(text)
