"""Answers as they go out: errors in their one shape, and events as server-sent events."""

import json
import math
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from stile_gateway.disconnect import ClientGoneError, unless_gone
from stile_gateway.errors import GatewayError, InternalError, status_of
from stile_gateway.hearing import Said
from stile_gateway.note import Dialect, Note
from stile_gateway.openai.errors import openai_error

RETRY_STATUSES = frozenset({429, 503})
_LINE_END = re.compile(rb"\r\n|\r|\n")
KEEP_ALIVE = b": keep-alive\n\n"


class ErrorResponse(Response):
    """An error as JSON, with ``Retry-After`` where a repeat may do better."""

    media_type = "application/json"

    def __init__(self, error: GatewayError, note: Note, headers: Mapping[str, str] | None = None) -> None:
        status = status_of(error)
        fields = dict(headers or {})
        if status in RETRY_STATUSES:
            seconds = error.retry_after or 1
            fields["Retry-After"] = str(max(1, math.ceil(seconds)))
            fields["retry-after-ms"] = str(max(1, math.ceil(seconds * 1000)))
        if status == 401:
            fields["WWW-Authenticate"] = "Bearer"
        if note.dialect is Dialect.OPENAI and error.reply().error.final:
            fields["x-should-retry"] = "false"  # OpenAI's clients ask a 5xx again where nothing is said
        note.code = error.code
        if error.chat_id is not None:
            note.chat_id = str(error.chat_id)
        super().__init__(error_body(error, note.dialect), status, fields)


def error_body(error: GatewayError, dialect: Dialect) -> bytes:
    """Write an error in the shape that the clients of ``dialect`` know."""
    if dialect is Dialect.OPENAI:
        return json.dumps(openai_error(error), ensure_ascii=False).encode()
    return error.reply().model_dump_json(exclude_none=True).encode()


class EventWriter(Protocol):
    """How a chat's events are written on a stream."""

    def block(self, said: Said) -> bytes:
        """Return what is sent of one event; nothing is sent of an empty one.

        Raises:
            GatewayError: the stream cannot go on.
        """

    def error(self, error: GatewayError) -> bytes:
        """Return the last block of a stream that failed."""


class EventStream(Response):
    """A chat's events as they come (https://html.spec.whatwg.org/multipage/server-sent-events.html).

    Args:
        first: the event that was waited for before the status was sent.
        events: those after it; None is sent as a comment that keeps the connection open.
        writer: how they are written.
        note: told how it ended.
    """

    media_type = "text/event-stream"

    def __init__(
        self, first: Said, events: AsyncGenerator[Said | None, None], writer: EventWriter, note: Note
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._first = first
        self._events = events
        self._writer = writer
        self._note = note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- ASGI's
        """Send the events; where the client goes, so does the wait for them."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            async with aclosing(self._events), unless_gone(receive):
                async for piece in self._blocks():
                    if piece:
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
        except ClientGoneError:
            self._note.code = "client_gone"
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _blocks(self) -> AsyncGenerator[bytes, None]:
        try:
            yield self._block(self._first)
            async for said in self._events:
                yield KEEP_ALIVE if said is None else self._block(said)
        except GatewayError as error:
            self._note.code = error.code
            yield self._writer.error(error)

    def _block(self, said: Said) -> bytes:
        if said.reply is not None and said.reply.refused:
            self._note.code = "refused"
        return self._writer.block(said)


def block(name: str, data: bytes, event_id: str | None = None) -> bytes:
    """Write one server-sent event; each line of ``data`` becomes a line of its own."""
    lines = b"".join(b"data: " + line + b"\n" for line in _LINE_END.split(data))
    told = f"event: {name}\n" if event_id is None else f"event: {name}\nid: {event_id}\n"
    return told.encode() + lines + b"\n"


async def streamed(events: AsyncGenerator[Said | None, None], writer: EventWriter, note: Note) -> Response:
    """Wait for the first event, then stream it and the others; an error before it has its own status.

    Raises:
        GatewayError: there is no answer.
    """
    async for first in events:
        if first is not None:
            return EventStream(first, events, writer, note)
    raise InternalError("The request ended without an answer.")


class NoResponse(Response):
    """What a client that is gone is sent: nothing."""

    def __init__(self, note: Note) -> None:
        note.code = "client_gone"
        super().__init__()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send nothing."""
