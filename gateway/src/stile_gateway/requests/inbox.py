"""The queue of one request's replies, until they are read."""

import asyncio
from collections import deque
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from stile_contracts import headers
from stile_contracts.messages import EventKind


class ReplyMessage(NamedTuple):
    """One message that came to a request's reply subject."""

    headers: Mapping[str, str]
    body: bytes


class StatusReply(NamedTuple):
    """The answer to a status request."""

    headers: Mapping[str, str]
    body: bytes


class Signal(Enum):
    """What the reader must know beside the messages."""

    NO_RESPONDERS = "no_responders"
    """No filter was there to receive the request."""
    RECONNECTED = "reconnected"
    """The connection was lost and is back; what was sent in the meantime is lost."""
    FINISHED = "finished"
    """The request has its result, whichever gateway received it."""
    LEAVING = "leaving"
    """The gateway is stopping; less time is left."""


InboxItem = ReplyMessage | StatusReply | Signal


class Inbox:
    """A bounded queue of one request's replies.

    If its reader is too slow, tokens are dropped, and positions that a later one has replaced: ``done``
    carries the whole text. So all other events find room.

    Args:
        subject: the reply subject that it stands for.
        size: items that may wait.
    """

    def __init__(self, subject: str, size: int = 256) -> None:
        self.subject = subject
        self.dropped = 0
        """Events that found no room."""
        self.is_attended = True
        """Whether a client waits for the request, or did a moment ago."""
        self._size = size
        self._waiting: deque[InboxItem] = deque()
        self._came = asyncio.Event()

    def put(self, item: InboxItem) -> None:
        """Add an item; in a full queue a token gives way to all else."""
        if len(self._waiting) >= self._size:
            self.dropped += 1
            if _is(item, EventKind.TOKEN):
                return
            self._make_room()
        self._waiting.append(item)
        self._came.set()

    async def get(self, within: float) -> InboxItem | None:
        """Return the oldest item, or None if none comes within so many seconds."""
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
        """Drop the oldest token, or else the oldest position, or else the oldest item."""
        for event in (EventKind.TOKEN, EventKind.POSITION):
            for index, item in enumerate(self._waiting):
                if _is(item, event):
                    del self._waiting[index]
                    return
        self._waiting.popleft()


def _is(item: InboxItem, event: EventKind) -> bool:
    return isinstance(item, ReplyMessage) and item.headers.get(headers.CHAT_EVENT) == event
