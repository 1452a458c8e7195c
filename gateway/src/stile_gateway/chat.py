"""The use case: ask, and wait for the answer, alone or with others. Knows no framework."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from stile_contracts.messages import CancelReceipt
from stile_gateway.cancel import cancel
from stile_gateway.conversation import Conversation
from stile_gateway.errors import (
    AnswerTimeoutError,
    ClientLimitError,
    GatewayError,
    InternalError,
    KeyConflictError,
    ShuttingDownError,
    TooManyWaitingError,
)
from stile_gateway.hearing import Said
from stile_gateway.inbox import Inbox
from stile_gateway.metrics import Metrics
from stile_gateway.port import Bus
from stile_gateway.question import Question, Timing
from stile_gateway.recall import recall
from stile_gateway.slots import RETRY_SECONDS, Slots, share_of
from stile_gateway.transcript import Transcript

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Held:
    """A request that is being answered, and how many listen."""

    question: Question
    transcript: Transcript = field(default_factory=Transcript)
    conversation: Conversation | None = None
    task: asyncio.Task[None] | None = None
    listeners: int = 0
    inbox: Inbox | None = None
    answer_later: bool = False
    """Whether one who has asked comes back for the answer, and need not listen until then."""
    clock: asyncio.Task[None] | None = None
    """Ends the request, some time after the last one who listened has left."""

    def listen(self) -> None:
        """Count one more who listens; that stops the clock."""
        self.listeners += 1
        if self.inbox is not None:
            self.inbox.wanted = True
        self.stop_clock()

    def stop_clock(self) -> None:
        """Let the request go on."""
        if self.clock is not None:
            self.clock.cancel()
            self.clock = None


class Chat:
    """Asks the bus and waits.

    A request ends with the last one who listens; but under a key only when nobody has come back for a
    while, and one whose client has said that it comes back goes on (docs/adr/0014).

    Args:
        bus: where requests go and replies come from.
        timing: how long it waits.
        metrics: what is counted.
        max_held: requests that may be answered at once; one client may have its share of them.
        body_bytes: the bytes of their bodies; they are held even if no client is connected.
    """

    def __init__(
        self,
        bus: Bus,
        timing: Timing,
        metrics: Metrics,
        max_held: int = 2000,
        body_bytes: Slots | None = None,
    ) -> None:
        self._bus = bus
        self._timing = timing
        self._metrics = metrics
        self._max_held = max_held
        self._body_bytes = body_bytes or Slots(sys.maxsize)
        self._held: dict[UUID, _Held] = {}
        self._clients: Counter[str] = Counter()
        self._leave_by: float | None = None

    def leave(self, within: float) -> None:
        """Take no further request; those that are held have so many seconds to be answered."""
        self._leave_by = time.monotonic() + within
        for held in self._held.values():
            if held.conversation is not None:
                held.conversation.leave_by(self._leave_by)

    async def close(self) -> None:
        """Give up what is held; nothing is cancelled by it, as its clients may come back elsewhere."""
        self._leave_by = time.monotonic()
        tasks = [held.task for held in self._held.values() if held.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def held(self, client: str) -> int:
        """Return how many requests of ``client`` are held."""
        return self._clients[client]

    def is_held(self, chat_id: UUID) -> bool:
        """Tell whether the request is held: whoever asks it again joins it."""
        return chat_id in self._held

    async def ask(self, question: Question) -> Said:
        """Ask, or join who has asked the same under its key, and wait for ``done``.

        Raises:
            GatewayError: there is no answer; its ``chat_id`` is the question's.
        """
        async with self._listening(self._hold(question)) as transcript:
            return await transcript.outcome()

    async def events(self, question: Question, pulse: float) -> AsyncGenerator[Said | None, None]:
        """Ask, or join, and yield each event up to ``done``; None where nothing was heard for ``pulse`` s.

        A ``started`` after another one resets what came between them.

        Raises:
            GatewayError: there is no answer; its ``chat_id`` is the question's.
        """
        async with (
            self._listening(self._hold(question)) as transcript,
            aclosing(transcript.follow(pulse)) as events,
        ):
            async for said in events:
                yield said

    async def begin(self, question: Question) -> Said:
        """Ask, and return the first event: whoever has asked comes back for the rest.

        Raises:
            GatewayError: there is no answer; its ``chat_id`` is the question's.
        """
        async with aclosing(self.events(question, float("inf"))) as events:
            async for said in events:
                if said is not None:
                    return said
        raise _about(question, InternalError("The request ended without an answer."))

    async def follow(self, client: str, chat_id: UUID, pulse: float) -> AsyncGenerator[Said | None, None]:
        """Yield what becomes of a request of ``client``, held here or anywhere, as ``events`` does.

        Raises:
            GatewayError: the request's error, or there is no telling.
        """
        held = self._held.get(chat_id)
        if held is not None and held.question.client == client:
            async with self._listening(held) as transcript, aclosing(transcript.follow(pulse)) as events:
                async for said in events:
                    yield said
            return
        async with aclosing(recall(self._bus, client, chat_id, self._timing.accept, pulse)) as events:
            async for said in events:
                yield said

    async def state(self, client: str, chat_id: UUID, wait: float) -> Said:
        """Return the latest that is known of a request, after ``wait`` seconds, or its end before that.

        Raises:
            GatewayError: the request's error, or there is no telling.
        """
        last: Said | None = None
        async with aclosing(self.follow(client, chat_id, float("inf"))) as events:
            while last is None:
                last = await anext(events)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    async for said in events:
                        last = said or last
        return last

    async def cancel(self, client: str, chat_id: UUID) -> CancelReceipt:
        """Cancel a request of ``client``, and return what that has hit.

        Raises:
            GatewayError: there is no receipt.
        """
        return await cancel(self._bus, client, chat_id, self._timing.accept)

    def _hold(self, question: Question) -> _Held:
        held = self._held.get(question.id)
        if held is not None:
            if held.question.body != question.body:
                raise _about(question, KeyConflictError("The key belongs to another request."))
            held.answer_later |= question.answer_later
            return held
        if self._leave_by is not None:
            raise _about(question, ShuttingDownError("The gateway is stopping; ask again.", retry_after=1))
        if len(self._held) >= self._max_held:
            raise _about(
                question,
                TooManyWaitingError("Too many requests are waiting here.", retry_after=RETRY_SECONDS),
            )
        if self.held(question.client) >= share_of(self._max_held):
            raise _about(
                question,
                ClientLimitError(
                    "Too many requests of this client are waiting here; try again when one is answered.",
                    retry_after=RETRY_SECONDS,
                ),
            )
        try:
            self._body_bytes.take(question.client, len(question.body))
        except GatewayError as error:
            raise _about(question, error) from None
        held = self._held[question.id] = _Held(question, answer_later=question.answer_later)
        self._clients[question.client] += 1
        self._metrics.held.inc()
        held.task = asyncio.create_task(self._answer(held))
        return held

    @asynccontextmanager
    async def _listening(self, held: _Held) -> AsyncIterator[Transcript]:
        held.listen()
        try:
            yield held.transcript
        finally:
            held.listeners -= 1
            unwanted = not held.listeners and not held.answer_later
            if unwanted and held.task is not None and not held.task.done():
                if held.question.key is None:
                    held.task.cancel()
                    await asyncio.wait([held.task])
                elif self._timing.unheard:
                    held.clock = asyncio.create_task(self._end_unheard(held, held.task))

    async def _end_unheard(self, held: _Held, task: asyncio.Task[None]) -> None:
        """End a request that nobody comes back for in time; one that is heard elsewhere is ended there."""
        question = held.question
        while True:
            await asyncio.sleep(self._timing.unheard)
            if held.inbox is not None:
                held.inbox.wanted = False
            try:
                if await self._bus.is_heard_elsewhere(question.client, question.id):
                    return
            except GatewayError as error:
                log.warning("request not ended", chat_id=str(question.id), code=error.code)
                continue
            log.info("request unheard", chat_id=str(question.id))
            task.cancel()
            return

    async def _answer(self, held: _Held) -> None:
        """Hear a request out; whatever happens, those who listen are told."""
        question, transcript = held.question, held.transcript
        try:
            with self._bus.inbox(str(question.id), question.id) as inbox:
                held.inbox = inbox
                held.conversation = Conversation(question, self._bus, inbox, self._timing, self._metrics)
                if self._leave_by is not None:
                    held.conversation.leave_by(self._leave_by)
                async for said in held.conversation.events():
                    transcript.hear(said)
        except GatewayError as error:
            transcript.fail(_about(question, error))
        except asyncio.CancelledError:
            transcript.fail(_about(question, AnswerTimeoutError("Nobody waits for it here any more.")))
            await self._abandon(question)
            raise
        except Exception:
            log.exception("request failed", chat_id=str(question.id))
            transcript.fail(_about(question, InternalError("Something went wrong in the gateway.")))
        finally:
            held.stop_clock()
            del self._held[question.id]
            self._body_bytes.give(question.client, len(question.body))
            self._clients -= Counter((question.client,))
            self._metrics.held.dec()
            if transcript.dropped:
                self._metrics.dropped.inc(transcript.dropped)

    async def _abandon(self, question: Question) -> None:
        """Nobody waits any more: free the model.

        A gateway that stops cancels nothing: its clients were there.
        """
        if self._leave_by is not None:
            return
        try:
            await self._bus.cancel(question.client, question.id)
        except GatewayError as error:
            log.warning("request not cancelled", chat_id=str(question.id), code=error.code)


def _about(question: Question, error: GatewayError) -> GatewayError:
    error.chat_id = error.chat_id or question.id
    return error
