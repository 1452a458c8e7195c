"""What the owner asks at the console: ``docs/protocol.md``, "The console", is its text."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol
from uuid import UUID

import structlog
from pydantic import BaseModel, ValidationError

from stile_contracts import subjects
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import (
    CancelHit,
    CancelReceipt,
    CancelRequest,
    ErrorReply,
    HoldState,
    PolicyVerdict,
    QueueListing,
    VerdictRequest,
)
from stile_filter.errors import BusError, RequestError
from stile_filter.store import Store
from stile_filter.transport.failures import log_failure
from stile_filter.transport.message import IncomingMessage, OutgoingMessage
from stile_filter.transport.reply import error_reply, to_json

VERDICT_SECONDS = 60.0
"""For one verdict, with the tests of a policy that was sent."""

log = structlog.get_logger()


class Canceller(Protocol):
    """Cancels requests: ``requests.cancel.Canceller``."""

    async def cancel(self, client: str, chat_id: UUID, said: list[OutgoingMessage]) -> CancelHit:
        """Cancel a client's request; add to ``said`` what its requester is sent."""
        ...


class Queue(Protocol):
    """The queue: ``queue.positions.PositionNotifier``."""

    def listing(self) -> QueueListing:
        """Return who is answered and who waits."""
        ...

    async def look(self) -> None:
        """Look into CHAT now."""
        ...


class ConsoleRequests:
    """Handles what the console asks.

    Args:
        store: the streams.
        queue: who waits.
        canceller: cancels requests.
        judge: returns what a policy says of a text.
    """

    def __init__(
        self,
        store: Store,
        queue: Queue,
        canceller: Canceller,
        judge: Callable[[VerdictRequest], Awaitable[PolicyVerdict]],
    ) -> None:
        self._store = store
        self._queue = queue
        self._canceller = canceller
        self._judge = judge
        self._judging = asyncio.Lock()
        self._handlers: dict[str, Callable[[bytes, list[OutgoingMessage]], Awaitable[BaseModel]]] = {
            subjects.CONSOLE_VERDICT: self._verdict,
            subjects.CONSOLE_QUEUE: self._list,
            subjects.CONSOLE_CANCEL: self._cancel,
            subjects.CONSOLE_HOLD: self._hold,
            subjects.CONSOLE_RESUME: self._resume,
        }

    async def handle(self, incoming: IncomingMessage) -> list[OutgoingMessage]:
        """Do what is asked; returns the reply, and what requesters are sent. Never raises.

        Without a reply subject of the console's own nothing is done: on another one the reply could pass for
        a request or an approval.
        """
        if not subjects.is_console_inbox(incoming.reply_to):
            log.warning("console_request_dropped", subject=incoming.subject)
            return []
        messages: list[OutgoingMessage] = []
        reply: BaseModel
        handler = self._handlers.get(incoming.subject, _unknown)
        try:
            reply = await handler(incoming.body, messages)
        except ValidationError as error:
            where = ".".join(str(step) for step in error.errors()[0]["loc"]) or "the body"
            reply = ErrorReply.of(ErrorCode.INVALID_REQUEST, f"{where} is not valid", param=where)
        except RequestError as error:
            reply = error_reply(error, None)
        except TimeoutError:
            reply = ErrorReply.of(
                ErrorCode.FILTER_TIMEOUT, f"no verdict within {VERDICT_SECONDS:g} s; try again"
            )
        except BusError as error:
            log_failure(error, "console", subject=incoming.subject)
            reply = ErrorReply.of(ErrorCode.BUS_UNAVAILABLE, "the bus can't be used now; try again")
        except Exception as error:  # noqa: BLE001 -- the last resort: the console gets an answer
            log_failure(error, "console", subject=incoming.subject)
            reply = ErrorReply.of(ErrorCode.INTERNAL, "the filter failed; try again")
        return [*messages, OutgoingMessage(incoming.reply_to, to_json(reply), None)]

    async def _verdict(self, body: bytes, _: list[OutgoingMessage]) -> PolicyVerdict:
        request = VerdictRequest.model_validate_json(body)
        # One at a time: a policy that is tried costs a tenth of a second and more.
        async with asyncio.timeout(VERDICT_SECONDS), self._judging:
            return await self._judge(request)

    async def _list(self, _body: bytes, _: list[OutgoingMessage]) -> QueueListing:
        return self._queue.listing()

    async def _cancel(self, body: bytes, said: list[OutgoingMessage]) -> CancelReceipt:
        request = CancelRequest.model_validate_json(body)
        hit = await self._canceller.cancel(request.client, request.id, said)
        return CancelReceipt(id=request.id, hit=hit)

    async def _hold(self, _body: bytes, _: list[OutgoingMessage]) -> HoldState:
        if not await self._store.hold():
            raise RequestError(
                ErrorCode.QUEUE_FULL,
                "the queue is full, so it can't be held; cancel a request that waits, or try again",
                retry_after=1,
            )
        log.warning("queue_held")
        await self._queue.look()
        return HoldState(held=True)

    async def _resume(self, _body: bytes, _: list[OutgoingMessage]) -> HoldState:
        await self._store.resume()
        log.warning("queue_resumed")
        await self._queue.look()
        return HoldState(held=False)


async def _unknown(_body: bytes, _: list[OutgoingMessage]) -> BaseModel:
    raise RequestError(ErrorCode.NOT_FOUND, "the console cannot ask this")
