"""The use case: send a request and wait for its answer, alone or together with other listeners."""

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from stile_contracts.messages import CancelReceipt
from stile_gateway.clients.slots import RETRY_SECONDS, Slots, share_of
from stile_gateway.errors import (
    AnswerTimeoutError,
    ClientLimitError,
    GatewayError,
    InternalError,
    KeyConflictError,
    ShuttingDownError,
    TooManyWaitingError,
)
from stile_gateway.metrics import Metrics
from stile_gateway.requests import status
from stile_gateway.requests.events import Inbox, ReplyEvent
from stile_gateway.requests.exchange import Exchange
from stile_gateway.requests.port import Bus
from stile_gateway.requests.request import ClientRequest, Timing
from stile_gateway.requests.transcript import Transcript

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _InFlight:
    """A request that waits for its answer, and how many listen."""

    request: ClientRequest
    transcript: Transcript = field(default_factory=Transcript)
    exchange: Exchange | None = None
    task: asyncio.Task[None] | None = None
    listeners: int = 0
    inbox: Inbox | None = None
    answer_later: bool = False
    """Whether a client comes back for the answer, and need not listen until then."""
    clock: asyncio.Task[None] | None = None
    """Ends the request, some time after the last listener has left."""

    def listen(self) -> None:
        """Count one more listener; that stops the clock."""
        self.listeners += 1
        if self.inbox is not None:
            self.inbox.is_attended = True
        self.stop_clock()

    def stop_clock(self) -> None:
        """Let the request go on."""
        if self.clock is not None:
            self.clock.cancel()
            self.clock = None


class RequestService:
    """Sends requests to the bus and waits for their answers.

    A request ends with its last listener. Under an idempotency key it ends only if no client comes back
    within some time, and if its client has said that it comes back, it goes on (docs/adr/0012).

    Args:
        bus: where requests go and replies come from.
        timing: how long it waits.
        metrics: what is counted.
        max_in_flight: requests at once; one client may have its share of them.
        body_bytes: the bytes of their bodies, which are in memory even if no client is connected.
    """

    def __init__(
        self,
        bus: Bus,
        timing: Timing,
        metrics: Metrics,
        max_in_flight: int = 2000,
        body_bytes: Slots | None = None,
    ) -> None:
        self._bus = bus
        self._timing = timing
        self._metrics = metrics
        self._max_in_flight = max_in_flight
        self._body_bytes = body_bytes or Slots(sys.maxsize)
        self._in_flight: dict[UUID, _InFlight] = {}
        self._clients: Counter[str] = Counter()
        self._leave_by: float | None = None

    def leave(self, within: float) -> None:
        """Accept no further request; those in flight have so many seconds to be answered."""
        self._leave_by = time.monotonic() + within
        for one in self._in_flight.values():
            if one.exchange is not None:
                one.exchange.leave_by(self._leave_by)

    async def close(self) -> None:
        """Give up all requests. None is cancelled, because its client may come back to another gateway."""
        self._leave_by = time.monotonic()
        tasks = [one.task for one in self._in_flight.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def in_flight(self, client: str) -> int:
        """Return how many requests of ``client`` are in flight."""
        return self._clients[client]

    def is_in_flight(self, chat_id: UUID) -> bool:
        """Tell whether the request is in flight: the same request again joins it."""
        return chat_id in self._in_flight

    async def answer(self, request: ClientRequest) -> ReplyEvent:
        """Send a request, or join the same one under its key, and wait for ``done``.

        Raises:
            GatewayError: there is no answer; its ``chat_id`` is the request's.
        """
        async with self._listening(self._start(request)) as transcript:
            return await transcript.result()

    def events(self, request: ClientRequest, pulse: float) -> AsyncGenerator[ReplyEvent | None, None]:
        """Send a request, or join it, and yield each event up to ``done``; None for a silent ``pulse``.

        A ``started`` after another one resets what came between them.

        Raises:
            GatewayError: there is no answer; its ``chat_id`` is the request's.
        """
        return self._stream(self._start(request), pulse)

    async def accepted(self, request: ClientRequest) -> ReplyEvent:
        """Send a request, and return the first event: its client comes back for the rest.

        Raises:
            GatewayError: there is no answer; its ``chat_id`` is the request's.
        """
        async with aclosing(self.events(request, float("inf"))) as events:
            async for event in events:
                if event is not None:
                    return event
        raise _about(request, InternalError("The request ended without an answer."))

    def follow(
        self, client: str, chat_id: UUID, pulse: float | None
    ) -> AsyncGenerator[ReplyEvent | None, None]:
        """Yield what becomes of a request of ``client``, in flight here or not, as ``events`` does.

        Without a ``pulse``, the pieces of an answer are not wanted.

        Raises:
            GatewayError: the request's error, or its status is not known.
        """
        one = self._in_flight.get(chat_id)
        if one is not None and one.request.client == client:
            return self._stream(one, float("inf") if pulse is None else pulse)
        return status.follow(self._bus, client, chat_id, self._timing, pulse)

    async def status(self, client: str, chat_id: UUID, wait: float) -> ReplyEvent:
        """Return a request's latest event after ``wait`` seconds, or its ``done`` before that.

        Raises:
            GatewayError: the request's error, or its status is not known.
        """
        last: ReplyEvent | None = None
        async with aclosing(self.follow(client, chat_id, None)) as events:
            while last is None:
                last = await anext(events)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    async for event in events:
                        last = event or last
        return last

    async def cancel(self, client: str, chat_id: UUID) -> CancelReceipt:
        """Cancel a request of ``client``, and return what that has hit.

        Raises:
            GatewayError: there is no receipt.
        """
        return await status.cancel(self._bus, client, chat_id, self._timing)

    def _start(self, request: ClientRequest) -> _InFlight:
        one = self._in_flight.get(request.id)
        if one is not None:
            if one.request.body != request.body:
                raise _about(request, KeyConflictError("The key belongs to another request."))
            one.answer_later |= request.answer_later
            return one
        try:
            self._check_room(request)
        except GatewayError as error:
            raise _about(request, error) from None
        one = self._in_flight[request.id] = _InFlight(request, answer_later=request.answer_later)
        self._clients[request.client] += 1
        self._metrics.held.inc()
        one.task = asyncio.create_task(self._run(one))
        return one

    def _check_room(self, request: ClientRequest) -> None:
        """Take room for a request.

        Raises:
            UnavailableError: there is none.
        """
        if self._leave_by is not None:
            raise ShuttingDownError("The gateway is stopping; ask again.", retry_after=1)
        if len(self._in_flight) >= self._max_in_flight:
            raise TooManyWaitingError("Too many requests are waiting here.", retry_after=RETRY_SECONDS)
        if self.in_flight(request.client) >= share_of(self._max_in_flight):
            raise ClientLimitError(
                "Too many requests of this client are waiting here; try again when one is answered.",
                retry_after=RETRY_SECONDS,
            )
        self._body_bytes.take(request.client, len(request.body))

    async def _stream(self, one: _InFlight, pulse: float) -> AsyncGenerator[ReplyEvent | None, None]:
        async with self._listening(one) as transcript, aclosing(transcript.follow(pulse)) as events:
            async for event in events:
                yield event

    @asynccontextmanager
    async def _listening(self, one: _InFlight) -> AsyncIterator[Transcript]:
        one.listen()
        try:
            yield one.transcript
        finally:
            one.listeners -= 1
            is_abandoned = not one.listeners and not one.answer_later
            if is_abandoned and one.task is not None and not one.task.done():
                if one.request.key is None:
                    one.task.cancel()
                    await asyncio.wait([one.task])
                elif self._timing.abandoned:
                    one.clock = asyncio.create_task(self._end_abandoned(one, one.task))

    async def _end_abandoned(self, one: _InFlight, task: asyncio.Task[None]) -> None:
        """End a request if no client comes back in time. If another gateway has one, that one ends it."""
        request = one.request
        while True:
            await asyncio.sleep(self._timing.abandoned)
            if one.inbox is not None:
                one.inbox.is_attended = False
            try:
                if await self._bus.is_attended_elsewhere(request.client, request.id):
                    return
            except GatewayError as error:
                log.warning("request not ended", chat_id=str(request.id), code=error.code)
                continue
            log.info("request abandoned", chat_id=str(request.id))
            task.cancel()
            return

    async def _run(self, one: _InFlight) -> None:
        """Fill a request's transcript up to its end, whatever happens."""
        request, transcript = one.request, one.transcript
        try:
            with self._bus.inbox(str(request.id), request.id) as inbox:
                one.inbox = inbox
                one.exchange = Exchange(
                    request,
                    self._bus,
                    inbox,
                    self._timing,
                    self._metrics,
                    repeat_delay=self._repeat_delay,
                )
                if self._leave_by is not None:
                    one.exchange.leave_by(self._leave_by)
                async for event in one.exchange.events():
                    transcript.add(event)
        except GatewayError as error:
            transcript.fail(_about(request, error))
        except asyncio.CancelledError:
            transcript.fail(_about(request, AnswerTimeoutError("No client waits for it here any more.")))
            await self._abandon(request)
            raise
        except Exception:
            log.exception("request failed", chat_id=str(request.id))
            transcript.fail(_about(request, InternalError("Something went wrong in the gateway.")))
        finally:
            one.stop_clock()
            del self._in_flight[request.id]
            self._body_bytes.give(request.client, len(request.body))
            self._clients -= Counter((request.client,))
            self._metrics.held.dec()
            if transcript.dropped:
                self._metrics.dropped.inc(transcript.dropped)

    def _repeat_delay(self) -> float:
        """Return when to repeat one request after a reconnect, in seconds.

        All requests in flight are repeated then. Spread at random they come at ``repeats_per_second``, also
        from several gateways, so that the bus and the filters are not flooded.
        """
        return random.uniform(0, len(self._in_flight) / self._timing.repeats_per_second)  # noqa: S311

    async def _abandon(self, request: ClientRequest) -> None:
        """Cancel a request that no client waits for: the model is free then.

        Shutdown does not cancel requests, because their clients did not leave.
        """
        if self._leave_by is not None:
            return
        try:
            await self._bus.cancel(request.client, request.id)
        except GatewayError as error:
            log.warning("request not cancelled", chat_id=str(request.id), code=error.code)


def _about(request: ClientRequest, error: GatewayError) -> GatewayError:
    error.chat_id = error.chat_id or request.id
    return error
