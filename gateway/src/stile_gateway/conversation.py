"""One request on the bus, from its first publish to the last event heard of it."""

import contextlib
import math
import time
from collections.abc import AsyncGenerator

import structlog

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
from stile_gateway.hearing import Hearing, Said
from stile_gateway.inbox import Delivery, Found, Inbox, Signal
from stile_gateway.metrics import Metrics
from stile_gateway.port import NO_RESPONDERS_SECONDS, REPEAT_SECONDS, Bus
from stile_gateway.question import Question, Timing
from stile_gateway.recall import read

LATE_SECONDS = 2.0
"""How long after the deadline its own error may still arrive."""
SETTLED_SECONDS = 0.5
"""How long after the end of a request its last event may still arrive; then it is looked up."""
LOOK_SECONDS = 5.0
"""Between two look-ups of a request that may be answered elsewhere, and of which nothing was heard."""

log = structlog.get_logger(__name__)


class Conversation:
    """Repeats a question until somebody listens, then hears it out (docs/protocol.md, "The gateway").

    Args:
        question: what is asked.
        bus: where it goes.
        inbox: where its replies come.
        timing: how long to wait.
        metrics: what is counted.
    """

    def __init__(
        self,
        question: Question,
        bus: Bus,
        inbox: Inbox,
        timing: Timing,
        metrics: Metrics,
    ) -> None:
        self._question = question
        self._bus = bus
        self._inbox = inbox
        self._metrics = metrics
        answer = timing.answer if question.timeout is None else min(question.timeout, timing.answer)
        self._headers = question.headers(time.time() + answer)
        self._hearing = Hearing()
        self._began = now = time.monotonic()
        self._answer_by = now + answer + LATE_SECONDS
        self._accept_by = min(now + timing.accept, self._answer_by)
        self._next_publish = now
        self._published = 0
        self._unheard = 0  # publishes that met no responders
        self._turned_away = 0  # publishes that the filter could not have stored
        self._why: RelayedError | None = None
        self._asking = True
        self._accepted = False
        self._settled = False
        self._look_at = math.inf

    def leave_by(self, moment: float) -> None:
        """Give up at ``moment`` of the monotonic clock, if not before."""
        self._accept_by = min(self._accept_by, moment)
        self._answer_by = min(self._answer_by, moment)
        self._inbox.put(Signal.LEAVING)

    async def events(self) -> AsyncGenerator[Said, None]:
        """Yield each event up to ``done``.

        Raises:
            GatewayError: there is no answer.
        """
        while True:
            now = time.monotonic()
            limit = self._answer_by if self._accepted else self._accept_by
            if now >= limit:
                raise self._gave_up()
            if self._asking and now >= self._next_publish:
                await self._publish()
            if now >= self._look_at:
                await self._look()
            wake = min(limit, self._look_at, self._next_publish if self._asking else math.inf)
            said = None
            match await self._inbox.get(wake - now):
                case Signal() as signal:
                    self._signalled(signal)
                case Delivery() as delivery:
                    said = self._hear(delivery)
                case Found() as found:
                    said = self._find(found)
            if said is not None:
                yield said
                if said.event is EventKind.DONE:
                    return

    def _gave_up(self) -> GatewayError:
        if self._accepted:
            return AnswerTimeoutError("No answer came in time; it can be asked for under the same key.")
        if self._published == self._unheard + self._turned_away:
            return self._why or NoFilterError("No filter is there; try again later.", retry_after=1)
        return AcceptTimeoutError("Nothing was heard of the request in time; it may be stored all the same.")

    async def _publish(self) -> None:
        try:
            await self._bus.publish(self._inbox, self._question.body, self._headers)
        except BusUnavailableError:
            if not self._published:
                raise
            self._next_publish = time.monotonic() + NO_RESPONDERS_SECONDS
            return
        if self._published:
            self._metrics.repeats.inc()
            log.info("request repeated", chat_id=str(self._question.id), published=self._published + 1)
        self._published += 1
        self._next_publish = time.monotonic() + REPEAT_SECONDS

    def _signalled(self, signal: Signal) -> None:
        match signal:
            case Signal.NO_RESPONDERS:
                self._unheard += 1
                self._next_publish = min(self._next_publish, time.monotonic() + NO_RESPONDERS_SECONDS)
            case Signal.RECONNECTED:
                # What was said meanwhile is lost; a repeat brings out what is stored of it.
                self._asking = True
                self._next_publish = time.monotonic()
            case Signal.SETTLED:
                self._settled = True
                self._look_at = min(self._look_at, time.monotonic() + SETTLED_SECONDS)
            case Signal.LEAVING:
                pass  # awake, it sees its new limits

    async def _look(self) -> None:
        """Look up what became of the request: its events may go to a gateway that is no more."""
        self._look_at = time.monotonic() + LOOK_SECONDS
        with contextlib.suppress(BusUnavailableError):
            await self._bus.look_up(self._question.client, self._question.id, self._inbox)

    def _find(self, found: Found) -> Said | None:
        """Return what a look-up brought, where it is news.

        Raises:
            RelayedError: it is the request's error.
        """
        try:
            said = read(found)
        except RelayedError as error:
            if error.is_outcome:
                raise
            return None
        is_place = said.event is EventKind.POSITION and not self._hearing.started
        return said if is_place or said.event is EventKind.DONE else None

    def _turn_away(self, error: RelayedError) -> None:
        """Take it that the bus could not store the request: it may soon, where a cluster has lost a server.

        Raises:
            RelayedError: it is any other error, or what was stored has ended with it.
        """
        if self._accepted or error.code is not ErrorCode.BUS_UNAVAILABLE:
            raise error
        self._turned_away += 1
        self._why = error
        self._next_publish = min(self._next_publish, time.monotonic() + NO_RESPONDERS_SECONDS)

    def _hear(self, delivery: Delivery) -> Said | None:
        """Return what is to be handed on, if anything; a repeat's second ``accepted`` is not."""
        try:
            said = self._hearing.hear(delivery)
        except RelayedError as error:
            self._turn_away(error)
            return None
        finally:
            if self._hearing.gaps:
                self._metrics.gaps.inc(self._hearing.gaps)
                log.warning("events missing", chat_id=str(self._question.id), dropped=self._inbox.dropped)
                self._hearing.gaps = 0
        if said is None:
            return None
        first, self._accepted, self._asking = not self._accepted, True, False
        if self._question.lasting and not self._settled:
            self._look_at = time.monotonic() + LOOK_SECONDS
        if first:
            self._metrics.accept_seconds.observe(time.monotonic() - self._began)
        if said.event is EventKind.DONE:
            self._metrics.answer_seconds.observe(time.monotonic() - self._began)
        return said if first or said.event is not EventKind.ACCEPTED else None
