"""The use case: ask, and wait for the answer. Knows no framework."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

import structlog

from stile_contracts.messages import CancelReceipt, Event
from stile_gateway.cancel import cancel
from stile_gateway.conversation import Bus, Conversation
from stile_gateway.errors import (
    GatewayError,
    InProgressError,
    InternalError,
    KeyConflictError,
    ShuttingDownError,
)
from stile_gateway.hearing import Said
from stile_gateway.metrics import Metrics
from stile_gateway.question import Question, Timing

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Shared:
    """A keyed request that one HTTP request or several wait for."""

    body: bytes
    task: asyncio.Task[Said]
    waiting: int = 0


class Chat:
    """Asks the bus and waits.

    Args:
        bus: where requests go and replies come from.
        timing: how long it waits.
        metrics: what is counted.
    """

    def __init__(self, bus: Bus, timing: Timing, metrics: Metrics) -> None:
        self._bus = bus
        self._timing = timing
        self._metrics = metrics
        self._open: dict[UUID, Conversation] = {}
        self._shared: dict[UUID, _Shared] = {}
        self._leaving = False

    def leave(self, within: float) -> None:
        """Take no further request; those that are held have so many seconds to be answered."""
        self._leaving = True
        for conversation in self._open.values():
            conversation.leave_by(time.monotonic() + within)

    async def ask(self, question: Question) -> Said:
        """Ask and wait for ``done``.

        Under a key, a second asker on this gateway waits for the first one's answer.

        Raises:
            GatewayError: there is no answer; its ``chat_id`` is the question's.
        """
        if question.key is None:
            return await self._ask(question)
        shared = self._shared.get(question.id)
        if shared is None:
            task = asyncio.create_task(self._ask(question))
            shared = self._shared[question.id] = _Shared(question.body, task)
        elif shared.body != question.body:
            raise _about(question, KeyConflictError("The key belongs to another request."))
        shared.waiting += 1
        try:
            return await asyncio.shield(shared.task)
        finally:
            shared.waiting -= 1
            if not shared.waiting:
                del self._shared[question.id]
                shared.task.cancel()

    async def events(self, question: Question, pulse: float) -> AsyncGenerator[Said | None, None]:
        """Ask, and yield each event up to ``done``; None where nothing was heard for ``pulse`` seconds.

        A ``started`` after another one resets what came between them.

        Raises:
            GatewayError: there is no answer; its ``chat_id`` is the question's.
        """
        if self._leaving:
            raise _about(question, ShuttingDownError("The gateway is stopping; ask again.", retry_after=1))
        if question.id in self._open:
            raise _about(question, InProgressError("The request under this key is being answered."))
        finished = False
        with self._bus.inbox(str(question.id)) as inbox:
            conversation = Conversation(question, self._bus, inbox, self._timing, self._metrics)
            self._open[question.id] = conversation
            try:
                async with aclosing(conversation.events(pulse)) as events:
                    async for said in events:
                        finished = said is not None and said.event is Event.DONE
                        yield said
            except (GeneratorExit, asyncio.CancelledError):
                if not finished:
                    await self._abandon(question)
                raise
            except GatewayError as error:
                raise _about(question, error) from error.__cause__
            finally:
                del self._open[question.id]

    async def cancel(self, client: str, chat_id: UUID) -> CancelReceipt:
        """Cancel a request of ``client``, and return what that has hit.

        Raises:
            GatewayError: there is no receipt.
        """
        return await cancel(self._bus, client, chat_id, self._timing.accept)

    async def _abandon(self, question: Question) -> None:
        """Nobody waits any more: free the model, where nobody can come back under a key.

        A gateway that stops cancels nothing: its clients were there.
        """
        if question.key is not None or self._leaving:
            return
        try:
            await self._bus.cancel(question.client, question.id)
        except GatewayError as error:
            log.warning("request not cancelled", chat_id=str(question.id), code=error.code)

    async def _ask(self, question: Question) -> Said:
        last = None
        async for said in self.events(question, math.inf):
            last = said
        if last is None:
            raise _about(question, InternalError("The request ended without an answer."))
        return last


def _about(question: Question, error: GatewayError) -> GatewayError:
    error.chat_id = error.chat_id or question.id
    return error
