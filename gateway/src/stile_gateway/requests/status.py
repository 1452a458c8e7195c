"""What became of a request that may be answered at another gateway, and its cancellation.

Both are requests to the filters, which are sent again until a filter replies.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from functools import partial
from typing import TypeVar
from uuid import UUID

import structlog
from pydantic import ValidationError

from stile_contracts import headers
from stile_contracts.errors import ErrorCode
from stile_contracts.ids import new_id
from stile_contracts.messages import CancelReceipt, ErrorReply, EventKind
from stile_gateway.errors import (
    AcceptTimeoutError,
    BusUnavailableError,
    GatewayError,
    InternalError,
    NoFilterError,
    RelayedError,
)
from stile_gateway.requests.events import EventSequencer, Inbox, ReplyEvent, ReplyMessage, status_of
from stile_gateway.requests.port import Bus
from stile_gateway.requests.request import Timing
from stile_gateway.requests.transcript import Transcript

log = structlog.get_logger(__name__)

_Reply = TypeVar("_Reply")


async def cancel(bus: Bus, client: str, chat_id: UUID, timing: Timing) -> CancelReceipt:
    """Cancel the request ``chat_id`` of ``client``, and return what that has hit.

    It is safe to send it again: a request that is cancelled twice is cancelled once.

    Args:
        bus: where the filters are.
        client: whose request it is; another client's is unknown.
        chat_id: which request.
        timing: how long to wait.

    Raises:
        GatewayError: there is no receipt.
    """
    by = time.monotonic() + timing.accept
    message = await _reply(partial(bus.cancel_receipt, client, chat_id), timing, by)
    return _receipt(message)


async def follow(
    bus: Bus, client: str, chat_id: UUID, timing: Timing, pulse: float | None
) -> AsyncGenerator[ReplyEvent | None, None]:
    """Yield each status of the request ``chat_id`` of ``client`` up to ``done``; None for a silent ``pulse``.

    With a ``pulse``, the pieces of a running answer come as well, as its worker sends them.

    Args:
        bus: where the filters are.
        client: whose request it is; another client's is not found.
        chat_id: which request.
        timing: how long to wait for a reply, and between two status requests.
        pulse: seconds; None if only the statuses are wanted.

    Raises:
        GatewayError: the request's error, or its status is not known.
    """
    transcript = Transcript()
    is_live = pulse is not None
    polling = asyncio.create_task(_poll(bus, client, chat_id, timing, transcript, is_live=is_live))
    try:
        async with aclosing(transcript.follow(float("inf") if pulse is None else pulse)) as events:
            async for event in events:
                yield event
    finally:
        polling.cancel()
        await asyncio.wait([polling])


async def _poll(  # noqa: PLR0913 -- each is one thing
    bus: Bus, client: str, chat_id: UUID, timing: Timing, transcript: Transcript, *, is_live: bool
) -> None:
    """Fill ``transcript``, whatever happens."""
    try:
        await _ask_until_done(bus, client, chat_id, timing, transcript, is_live=is_live)
    except GatewayError as error:
        transcript.fail(error)
    except Exception:
        log.exception("status request failed", chat_id=str(chat_id))
        transcript.fail(InternalError("Something went wrong in the gateway."))


async def _ask_until_done(  # noqa: PLR0913 -- each is one thing
    bus: Bus, client: str, chat_id: UUID, timing: Timing, transcript: Transcript, *, is_live: bool
) -> None:
    last: ReplyEvent | None = None
    live = EventSequencer()
    by = time.monotonic() + timing.accept
    with bus.inbox(f"status-{new_id()}", chat_id) as inbox:
        while True:
            event = await _status(bus, client, chat_id, timing, by, is_first=last is None)
            if event is not None:
                by = time.monotonic() + timing.accept
                if event != last and not (live.has_started and event.kind is EventKind.STARTED):
                    transcript.add(event)
                last = event
                if event.kind is EventKind.DONE:
                    return
                if is_live and event.kind is EventKind.STARTED:
                    with suppress(GatewayError):
                        await bus.follow(inbox, client, chat_id)
            # A signal comes as soon as there is something new.
            match await _listen(inbox, live, transcript, timing.repeat):
                case EventKind.DONE:
                    return
                case EventKind():
                    by = time.monotonic() + timing.accept


async def _status(  # noqa: PLR0913 -- each is one thing
    bus: Bus, client: str, chat_id: UUID, timing: Timing, by: float, *, is_first: bool
) -> ReplyEvent | None:
    """Return what became of a request; None if it could not be asked now.

    Raises:
        GatewayError: the request's error; or the first status request has failed.
    """
    try:
        return status_of(await _reply(partial(bus.status, client, chat_id), timing, by))
    except BusUnavailableError:
        if is_first:
            raise
    except RelayedError as error:
        if error.is_result or error.code is ErrorCode.NOT_FOUND:
            raise
        # The status request itself has failed, not the client's request.
    return None


async def _listen(
    inbox: Inbox, live: EventSequencer, transcript: Transcript, silence: float
) -> EventKind | None:
    """Add the events that the worker sends, until ``done``, or until there is none for ``silence`` seconds.

    A signal ends it as well: there is something new to ask for.

    Returns:
        the kind of the last event; None if there was none.

    Raises:
        RelayedError: it is the request's error.
    """
    last = None
    while isinstance(item := await inbox.get(silence), ReplyMessage):
        event = live.read(item)
        if event is not None:
            transcript.add(event)
            last = event.kind
            if last is EventKind.DONE:
                break
    return last


async def _reply(ask: Callable[[float], Awaitable[_Reply]], timing: Timing, by: float) -> _Reply:
    """Ask until a filter replies.

    Each wait is twice as long as the one before. A filter may need ten seconds if the bus elects a new
    leader, and a reply to an earlier message is lost.

    Args:
        ask: asks once, and waits so many seconds.
        timing: the first wait.
        by: when to give up, on the monotonic clock.

    Raises:
        NoFilterError: no filter is there.
        AcceptTimeoutError: none has replied in time.
    """
    within = timing.repeat
    why: GatewayError = AcceptTimeoutError("No filter has replied in time; it can be asked again.")
    while (left := by - time.monotonic()) > 0:
        try:
            return await ask(min(within, left))
        except NoFilterError as error:
            why = error
            await asyncio.sleep(min(timing.no_responders, left))
        except AcceptTimeoutError as error:
            why = error
            within *= 2
    raise why


def _receipt(message: ReplyMessage) -> CancelReceipt:
    try:
        if headers.NATS_ERROR in message.headers:
            raise RelayedError(ErrorReply.model_validate_json(message.body))
        return CancelReceipt.model_validate_json(message.body)
    except ValidationError as error:
        raise InternalError("The receipt could not be read.") from error
