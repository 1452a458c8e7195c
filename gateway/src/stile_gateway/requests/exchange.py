"""One request on the bus, from its first publish to its last event."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncGenerator, Callable

import structlog

from stile_contracts import headers
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import EventKind
from stile_gateway.errors import (
    AcceptTimeoutError,
    AnswerTimeoutError,
    BusUnavailableError,
    GatewayError,
    NoFilterError,
    RelayedError,
)
from stile_gateway.metrics import Metrics
from stile_gateway.requests.events import (
    EventSequencer,
    Inbox,
    ReplyEvent,
    ReplyMessage,
    Signal,
    StatusReply,
    status_of,
)
from stile_gateway.requests.port import Bus
from stile_gateway.requests.request import ClientRequest, Timing

log = structlog.get_logger(__name__)


class Exchange:
    """Repeats a request until it is accepted, then receives its events (docs/protocol.md, "The gateway").

    Args:
        request: what is sent.
        bus: where it goes.
        inbox: where its replies come.
        timing: how long to wait.
        metrics: what is counted.
        repeat_delay: how many seconds to wait before the request is sent again after a lost connection.
    """

    def __init__(  # noqa: PLR0913 -- each is one thing
        self,
        request: ClientRequest,
        bus: Bus,
        inbox: Inbox,
        timing: Timing,
        metrics: Metrics,
        *,
        repeat_delay: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._request = request
        self._bus = bus
        self._inbox = inbox
        self._timing = timing
        self._metrics = metrics
        self._repeat_delay = repeat_delay
        answer = timing.answer if request.timeout is None else min(request.timeout, timing.answer)
        self._headers = _headers(request, time.time() + answer)
        self._outlives_client = request.answer_later or request.key is not None
        self._sequencer = EventSequencer()
        self._began = now = time.monotonic()
        self._answer_by = now + answer + timing.late
        self._accept_by = min(now + timing.accept, self._answer_by)
        self._next_publish = now
        self._published = 0
        self._not_received = 0  # publishes that met no responders
        self._turned_away = 0  # publishes that the filter could not have stored
        self._why: RelayedError | None = None
        self._is_publishing = True
        self._is_accepted = False
        self._is_finished = False
        self._follows = False
        """Whether the worker is to be asked for the events: they may go to a gateway that is gone."""
        self._status_at = math.inf
        self._status: asyncio.Task[None] | None = None

    def leave_by(self, moment: float) -> None:
        """Give up at ``moment`` of the monotonic clock, if not before."""
        self._accept_by = min(self._accept_by, moment)
        self._answer_by = min(self._answer_by, moment)
        self._inbox.put(Signal.LEAVING)

    async def events(self) -> AsyncGenerator[ReplyEvent, None]:
        """Yield each event up to ``done``.

        Raises:
            GatewayError: there is no answer.
        """
        try:
            while True:
                event = await self._next()
                if event is not None:
                    yield event
                    if event.kind is EventKind.DONE:
                        return
        finally:
            if self._status is not None:
                self._status.cancel()

    async def _next(self) -> ReplyEvent | None:
        """Do what is due, and wait for one item of the inbox."""
        now = time.monotonic()
        limit = self._answer_by if self._is_accepted else self._accept_by
        if now >= limit:
            raise self._gave_up()
        if self._is_publishing and now >= self._next_publish:
            await self._publish()
        if now >= self._status_at:
            self._status_at = now + self._timing.status
            self._follows = self._outlives_client
            if self._status is None or self._status.done():
                self._status = asyncio.create_task(self._ask_status())
        if self._follows:
            self._follows = False
            with contextlib.suppress(GatewayError):
                await self._bus.follow(self._inbox, self._request.client, self._request.id)
        wake = min(limit, self._status_at, self._next_publish if self._is_publishing else math.inf)
        match await self._inbox.get(wake - now):
            case Signal() as signal:
                self._signalled(signal)
            case ReplyMessage() as message:
                return self._read(message)
            case StatusReply() as reply:
                return self._read_status(reply)
        return None

    def _gave_up(self) -> GatewayError:
        if self._is_accepted:
            return AnswerTimeoutError("No answer came in time; it can be asked for under the same key.")
        if self._published == self._not_received + self._turned_away:
            return self._why or NoFilterError("No filter is there; try again later.", retry_after=1)
        return AcceptTimeoutError("No filter has replied in time; the request may be stored all the same.")

    async def _publish(self) -> None:
        try:
            await self._bus.publish(self._inbox, self._request.body, self._headers)
        except BusUnavailableError:
            if not self._published:
                raise
            self._next_publish = time.monotonic() + self._timing.no_responders
            return
        if self._published:
            self._metrics.repeats.inc()
            log.info("request repeated", chat_id=str(self._request.id), published=self._published + 1)
        self._published += 1
        self._next_publish = time.monotonic() + self._timing.repeat

    def _signalled(self, signal: Signal) -> None:
        now = time.monotonic()
        match signal:
            case Signal.NO_RESPONDERS:
                self._not_received += 1
                self._next_publish = min(self._next_publish, now + self._timing.no_responders)
            case Signal.RECONNECTED:
                # Events of the meantime are lost; a repeat brings what is stored. All held requests are
                # signalled at once, so each waits a little.
                self._is_publishing = True
                self._next_publish = now + self._repeat_delay()
            case Signal.FINISHED:
                self._is_finished = True
                self._status_at = min(self._status_at, now + self._timing.finished)
            case Signal.LEAVING:
                pass  # awake, it sees its new limits

    async def _ask_status(self) -> None:
        """Ask what became of the request: its events may go to a gateway that is gone."""
        with contextlib.suppress(GatewayError):
            reply = await self._bus.status(self._request.client, self._request.id, self._timing.status)
            self._inbox.put(reply)

    def _read_status(self, reply: StatusReply) -> ReplyEvent | None:
        """Return what a status request brought, if it is new.

        Raises:
            RelayedError: it is the request's error.
        """
        try:
            event = status_of(reply)
        except RelayedError as error:
            if error.is_result:
                raise
            return None
        is_position = event.kind is EventKind.POSITION and not self._sequencer.has_started
        return event if is_position or event.kind is EventKind.DONE else None

    def _turn_away(self, error: RelayedError) -> None:
        """Send again what the bus could not store: it may soon, if a cluster has lost a server.

        Raises:
            RelayedError: it is any other error, or a stored request has ended with it.
        """
        if self._is_accepted or error.code is not ErrorCode.BUS_UNAVAILABLE:
            raise error
        self._turned_away += 1
        self._why = error
        self._next_publish = min(self._next_publish, time.monotonic() + self._timing.no_responders)

    def _read(self, message: ReplyMessage) -> ReplyEvent | None:
        """Return the event to hand on, if any; the second ``accepted`` of a repeat is not."""
        try:
            event = self._sequencer.read(message)
        except RelayedError as error:
            self._turn_away(error)
            return None
        finally:
            if self._sequencer.gaps:
                self._metrics.gaps.inc(self._sequencer.gaps)
                log.warning("events missing", chat_id=str(self._request.id), dropped=self._inbox.dropped)
                self._sequencer.gaps = 0
        if event is None:
            return None
        is_first, self._is_accepted, self._is_publishing = not self._is_accepted, True, False
        if self._outlives_client and not self._is_finished:
            self._status_at = time.monotonic() + self._timing.status
        if is_first:
            self._follows = self._outlives_client
            self._metrics.accept_seconds.observe(time.monotonic() - self._began)
        if event.kind is EventKind.DONE:
            self._metrics.answer_seconds.observe(time.monotonic() - self._began)
        return event if is_first or event.kind is not EventKind.ACCEPTED else None


def _headers(request: ClientRequest, deadline: float) -> dict[str, str]:
    """Return the headers of a request; ``deadline`` is in seconds since the epoch."""
    values = {
        headers.CHAT_ID: str(request.id),
        headers.CHAT_CLIENT: request.client,
        headers.CHAT_LANE: request.lane.value,
        headers.CHAT_DEADLINE: str(int(deadline * 1000)),
        headers.CHAT_EVENTS: request.level.value,
    }
    if request.key is not None:
        values[headers.CHAT_KEY] = request.key
    if request.trim is not None:
        values[headers.CHAT_TRIM] = request.trim.value
    if request.traceparent is not None:
        values[headers.TRACEPARENT] = request.traceparent
    return values
