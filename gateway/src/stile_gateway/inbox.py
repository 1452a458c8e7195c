"""Where one request's replies wait until they are read."""

import asyncio
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from stile_contracts import headers
from stile_contracts.messages import Event


class Delivery(NamedTuple):
    """One message that came to a request's reply subject."""

    headers: Mapping[str, str]
    body: bytes


class Found(NamedTuple):
    """The answer to a look-up of the request."""

    headers: Mapping[str, str]
    body: bytes


class Signal(Enum):
    """What is to be known beside the messages."""

    NO_RESPONDERS = "no_responders"
    """A publish met nobody who listens."""
    RECONNECTED = "reconnected"
    """The connection was lost and is back; what was said meanwhile is lost."""
    SETTLED = "settled"
    """The request has its outcome, whoever was told of it."""
    LEAVING = "leaving"
    """The gateway is stopping; the time that is left has changed."""


Heard = Delivery | Found | Signal


class Inbox:
    """A bounded queue of one request's replies.

    Where its reader is too slow, tokens are dropped: ``done`` carries the whole text, so a final event
    always finds room.

    Args:
        subject: the reply subject that it stands for.
        size: deliveries that may wait.
    """

    def __init__(self, subject: str, size: int = 256) -> None:
        self.subject = subject
        self.dropped = 0
        """Events that found no room."""
        self.wanted = True
        """Whether somebody waits for what comes here, or did a moment ago."""
        self._queue: asyncio.Queue[Heard] = asyncio.Queue(size)

    def put(self, heard: Heard) -> None:
        """Add what was heard; in a full queue a token gives way to all else."""
        if self._queue.full():
            self.dropped += 1
            if isinstance(heard, Delivery) and heard.headers.get(headers.CHAT_EVENT) == Event.TOKEN:
                return
            self._queue.get_nowait()
        self._queue.put_nowait(heard)

    async def get(self, within: float) -> Heard | None:
        """Return what was heard next, or None where nothing was within so many seconds."""
        if not self._queue.empty():
            return self._queue.get_nowait()
        if within <= 0:
            return None
        try:
            async with asyncio.timeout(within):
                return await self._queue.get()
        except TimeoutError:
            return None
