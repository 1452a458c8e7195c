"""How a request to the model is answered, in any dialect: whole, as a stream, or not at all."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from stile_contracts.messages import Reply
from stile_gateway.clients.callers import Caller
from stile_gateway.dialects.base import ApiRequest, Dialect, StreamWriter
from stile_gateway.errors import GatewayError, InternalError
from stile_gateway.http.dependencies import ChatHeaders, client_request, services_of
from stile_gateway.requests.events import ReplyEvent
from stile_gateway.requests.request import ClientRequest

PULSE_SECONDS = 10.0
"""Between two signs of life on a silent stream; proxies close silent connections after a minute."""
PREFERENCE_APPLIED = "Preference-Applied"
RESPOND_ASYNC = "respond-async"
TRIMMED = "Stile-Trimmed"
"""How many of the oldest exchanges the model was not given. A stream says it in its last event instead."""
CLIENT_GONE = "client_gone"
"""In logs and metrics, in place of an error's code: the client left before the answer."""


async def answer(dialect: Dialect, request: Request, client: Caller, headers: ChatHeaders) -> Response:
    """Send a client's request to the model, and return the answer.

    Raises:
        GatewayError: there is no answer.
    """
    api = dialect.read(await request.body(), request)
    return await send(dialect, api, request, client_request(request, client, headers, api))


async def send(dialect: Dialect, api: ApiRequest, request: Request, chat: ClientRequest) -> Response:
    """Send what ``dialect`` has read to the model, and return the answer.

    Raises:
        GatewayError: there is no answer; ``param`` names the field at fault as the client does.
    """
    bind_contextvars(chat_id=str(chat.id))
    service = services_of(request).requests
    try:
        async with unless_gone(request.receive):
            if api.is_stream:
                stream = await streamed(service.events(chat, PULSE_SECONDS), dialect.writer(api, chat.id))
                if api.answer_later:
                    stream.headers[PREFERENCE_APPLIED] = RESPOND_ASYNC
                return stream
            event = await (service.accepted if api.answer_later else service.answer)(chat)
    except ClientGoneError:
        return NoResponse()
    except GatewayError as error:
        error.locate(api.places.own)
        raise
    note_refusal(event)
    return noting_trimmed(dialect.whole(api, chat.id, event), event)


async def streamed(events: AsyncGenerator[ReplyEvent | None, None], writer: StreamWriter) -> Response:
    """Wait for the first event, then stream all; an error before the first has its own status.

    Raises:
        GatewayError: there is no answer.
    """
    async for first in events:
        if first is not None:
            return EventStream(first, events, writer)
    raise InternalError("The request ended without an answer.")


def noting_trimmed(response: Response, event: ReplyEvent) -> Response:
    """Return an answer whose head says how many exchanges were left out."""
    if isinstance(event.body, Reply) and event.body.trimmed is not None:
        response.headers[TRIMMED] = str(event.body.trimmed)
    return response


def note_refusal(event: ReplyEvent) -> None:
    """Let the access log say if the answer is a refusal."""
    if isinstance(event.body, Reply) and event.body.refused:
        bind_contextvars(code="refused")


def note_error(error: GatewayError) -> None:
    """Let the access log say which error was answered, and for which request."""
    bind_contextvars(code=error.code)
    if error.chat_id is not None:
        bind_contextvars(chat_id=str(error.chat_id))


class EventStream(Response):
    """A request's events as they come.

    Args:
        first: the event that was waited for before the status was sent.
        events: those after it; None is a silent time.
        writer: how they are written.
    """

    def __init__(
        self, first: ReplyEvent, events: AsyncGenerator[ReplyEvent | None, None], writer: StreamWriter
    ) -> None:
        no_buffering = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        super().__init__(headers=no_buffering, media_type=writer.media_type)
        del self.headers["content-length"]
        self._first = first
        self._events = events
        self._writer = writer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- ASGI's
        """Send the events; if the client goes, the wait for them ends."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            async with aclosing(self._events), unless_gone(receive):
                async for piece in self._pieces():
                    if piece:
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
        except ClientGoneError:
            bind_contextvars(code=CLIENT_GONE)
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        try:
            yield self._piece(self._first)
            async for event in self._events:
                yield self._writer.keep_alive if event is None else self._piece(event)
        except GatewayError as error:
            bind_contextvars(code=error.code)
            yield self._writer.error(error)

    def _piece(self, event: ReplyEvent) -> bytes:
        note_refusal(event)
        return self._writer.event(event)


class NoResponse(Response):
    """What a client that is gone is sent: nothing."""

    def __init__(self) -> None:
        bind_contextvars(code=CLIENT_GONE)
        super().__init__()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send nothing."""


class ClientGoneError(Exception):
    """The client left. It ends the wait quietly and is no error of the tree."""


@asynccontextmanager
async def unless_gone(receive: Receive) -> AsyncIterator[None]:
    """Cancel what is inside when the client goes away, as ``asyncio.timeout`` does at its time.

    Args:
        receive: the request's; its body must have been read.

    Raises:
        ClientGoneError: the client went away.
    """
    task = asyncio.current_task()
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        if task is not None:
            gone = True
            task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError as error:
        if gone and task is not None and task.uncancel() == 0:
            raise ClientGoneError from error
        raise
    finally:
        watcher.cancel()
