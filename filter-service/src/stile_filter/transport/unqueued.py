"""Takes in what needs no queue: the checks of answers, and what the owner asks at the console."""

import asyncio
from collections.abc import Awaitable, Callable

from nats.aio.msg import Msg

from stile_filter.transport.intake import Handle
from stile_filter.transport.message import IncomingMessage, OutgoingMessage


class UnqueuedIntake:
    """Starts the handling of each message when it arrives.

    Args:
        handle: handles a message.
        send: sends messages.
    """

    def __init__(self, handle: Handle, send: Callable[[list[OutgoingMessage]], Awaitable[None]]) -> None:
        self._handle = handle
        self._send = send
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, message: Msg) -> None:
        """Begin a message: nats-py calls this."""
        incoming = IncomingMessage(message.subject, message.reply, message.headers or {}, message.data)
        task = asyncio.create_task(self._handled(incoming))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self) -> None:
        """Wait until every message is handled; no more may arrive."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _handled(self, incoming: IncomingMessage) -> None:
        await self._send(await self._handle(incoming))
