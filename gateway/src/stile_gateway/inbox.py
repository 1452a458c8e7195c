"""Where one request's replies wait until they are read."""

import asyncio
from collections import deque
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from stile_contracts import headers
from stile_contracts.messages import EventKind


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

    If its reader is too slow, tokens are dropped, and places that a later one has replaced: ``done``
    carries the whole text. So all other events find room.

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
        self._size = size
        self._waiting: deque[Heard] = deque()
        self._came = asyncio.Event()

    def put(self, heard: Heard) -> None:
        """Add what was heard; in a full queue a token gives way to all else."""
        if len(self._waiting) >= self._size:
            self.dropped += 1
            if _is(heard, EventKind.TOKEN):
                return
            self._make_room()
        self._waiting.append(heard)
        self._came.set()

    async def get(self, within: float) -> Heard | None:
        """Return what was heard next, or None if nothing was heard within so many seconds."""
        if not self._waiting:
            if within <= 0:
                return None
            self._came.clear()
            try:
                async with asyncio.timeout(within):
                    await self._came.wait()
            except TimeoutError:
                return None
        return self._waiting.popleft()

    def _make_room(self) -> None:
        """Drop the oldest token, or else the oldest place, or else what came first."""
        for event in (EventKind.TOKEN, EventKind.POSITION):
            for index, heard in enumerate(self._waiting):
                if _is(heard, event):
                    del self._waiting[index]
                    return
        self._waiting.popleft()


def _is(heard: Heard, event: EventKind) -> bool:
    return isinstance(heard, Delivery) and heard.headers.get(headers.CHAT_EVENT) == event
