"""One request on the bus, from its first publish to the last event heard of it."""

import time
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager
from typing import Protocol
from uuid import UUID

import structlog

from stile_contracts.messages import Event
from stile_gateway.errors import (
    AcceptTimeoutError,
    AnswerTimeoutError,
    BusUnavailableError,
    GatewayError,
    NoFilterError,
)
from stile_gateway.hearing import Hearing, Said
from stile_gateway.inbox import Delivery, Inbox, Signal
from stile_gateway.metrics import Metrics
from stile_gateway.question import Question, Timing

REPEAT_SECONDS = 2.0
"""Between two publishes of a request that nothing was heard of."""
NO_RESPONDERS_SECONDS = 0.25
"""The same where nobody listened: a filter that starts again is found soon."""
LATE_SECONDS = 2.0
"""How long after the deadline its own error may still arrive."""

log = structlog.get_logger(__name__)


class Bus(Protocol):
    """What a conversation needs of the bus."""

    def inbox(self, name: str) -> AbstractContextManager[Inbox]:
        """Open the place where the replies to ``name`` arrive; left, it is forgotten."""

    async def publish(self, inbox: Inbox, body: bytes, headers: dict[str, str]) -> None:
        """Publish a request whose replies go to ``inbox``.

        Raises:
            BusUnavailableError: it was surely not sent.
            TooLargeError: the bus takes no message of this size.
            InternalError: it could not be sent for another reason.
        """

    async def cancel(self, client: str, chat_id: UUID, inbox: Inbox | None = None) -> None:
        """Publish that ``client`` wants its request ``chat_id`` no more; the receipt goes to ``inbox``.

        Raises:
            BusUnavailableError: it was surely not sent.
            InternalError: it could not be sent for another reason.
        """


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
        self._asking = True
        self._accepted = False

    def leave_by(self, moment: float) -> None:
        """Give up at ``moment`` of the monotonic clock, if not before."""
        self._accept_by = min(self._accept_by, moment)
        self._answer_by = min(self._answer_by, moment)
        self._inbox.put(Signal.LEAVING)

    async def events(self, pulse: float) -> AsyncGenerator[Said | None, None]:
        """Yield each event up to ``done``; None where nothing was heard for ``pulse`` seconds.

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
            wake = min(limit, self._next_publish) if self._asking else limit
            match await self._inbox.get(min(wake - now, pulse)):
                case None if pulse <= wake - now:
                    yield None
                case Signal() as signal:
                    self._signalled(signal)
                case Delivery() as delivery if said := self._hear(delivery):
                    yield said
                    if said.event is Event.DONE:
                        return

    def _gave_up(self) -> GatewayError:
        if self._accepted:
            return AnswerTimeoutError("No answer came in time; it can be asked for under the same key.")
        if self._published == self._unheard:
            return NoFilterError("No filter is there; try again later.", retry_after=1)
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
            case Signal.LEAVING:
                pass  # awake, it sees its new limits

    def _hear(self, delivery: Delivery) -> Said | None:
        """Return what is to be handed on, if anything; a repeat's second ``accepted`` is not."""
        try:
            said = self._hearing.hear(delivery)
        finally:
            if self._hearing.gaps:
                self._metrics.gaps.inc(self._hearing.gaps)
                log.warning("events missing", chat_id=str(self._question.id), dropped=self._inbox.dropped)
                self._hearing.gaps = 0
        if said is None:
            return None
        first, self._accepted, self._asking = not self._accepted, True, False
        if first:
            self._metrics.accept_seconds.observe(time.monotonic() - self._began)
        if said.event is Event.DONE:
            self._metrics.answer_seconds.observe(time.monotonic() - self._began)
        return said if first or said.event is not Event.ACCEPTED else None
