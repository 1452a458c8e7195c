"""Messages that wait to be handled: a backlog for each client, and the backlogs take turns. Pure."""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from stile_filter.shares import kept, may_take
from stile_filter.transport.message import IncomingMessage


class Bounds(NamedTuple):
    """How much may wait and be in hand."""

    messages: int = 4096
    """Of all clients together."""
    size: int = 32 * 1024 * 1024
    """Bytes of their bodies."""
    client_messages: int = 256
    """Of one client: more than a gateway lets one HTTP client have open."""
    in_flight: int = 64
    client_in_flight: int = 8
    """A client whose requests take long leaves the rest to others."""


class Arrival(StrEnum):
    """What becomes of a message that arrives."""

    TAKEN = "taken"
    REPEATED = "repeated"
    """There is no room, but the same message waits or is in hand: what replies that one replies this one."""
    FULL = "full"


@dataclass(slots=True)
class _Backlog:
    """One client's messages, oldest first."""

    waiting: deque[IncomingMessage] = field(default_factory=deque)
    replied_at: dict[str, IncomingMessage] = field(default_factory=dict)
    """Those that wait, by their reply subjects."""
    size: int = 0
    in_flight: list[IncomingMessage] = field(default_factory=list)


class Arrivals:
    """The backlogs.

    A client that has nothing here is forgotten.

    Args:
        bounds: how much they hold.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._backlogs: dict[str, _Backlog] = {}
        self._turns: deque[str] = deque()
        """The clients with a message that can be begun, the next one first."""
        self._waiting = 0
        self._size = 0
        self._in_flight = 0

    def __len__(self) -> int:
        return self._waiting + self._in_flight

    @property
    def clients(self) -> int:
        """How many clients have something here."""
        return len(self._backlogs)

    def add(self, client: str, message: IncomingMessage) -> Arrival:
        """Put a message at the end of its client's backlog, if there is room for it."""
        backlog = self._backlogs.get(client) or _Backlog()
        if not self._has_room(backlog, len(message.body)):
            first = backlog.replied_at.get(message.reply_to) == message or message in backlog.in_flight
            return Arrival.REPEATED if first else Arrival.FULL
        self._backlogs[client] = backlog
        if not backlog.waiting and len(backlog.in_flight) < self._bounds.client_in_flight:
            self._turns.append(client)
        backlog.waiting.append(message)
        if message.reply_to:
            backlog.replied_at[message.reply_to] = message
        self._count(backlog, 1, len(message.body))
        return Arrival.TAKEN

    def is_full(self, client: str) -> bool:
        """Tell whether there is no room for one more message of ``client``, however small."""
        backlog = self._backlogs.get(client)
        return backlog is not None and not self._has_room(backlog, 0)

    def begin(self) -> tuple[str, IncomingMessage] | None:
        """Begin the next message; it is in flight until ``end``. None if there is none, or no room for it."""
        if not self._turns or self._in_flight >= self._bounds.in_flight:
            return None
        client = self._turns.popleft()
        backlog = self._backlogs[client]
        message = backlog.waiting.popleft()
        backlog.replied_at.pop(message.reply_to, None)
        self._count(backlog, -1, -len(message.body))
        backlog.in_flight.append(message)
        self._in_flight += 1
        if backlog.waiting and len(backlog.in_flight) < self._bounds.client_in_flight:
            self._turns.append(client)
        return client, message

    def end(self, client: str, message: IncomingMessage) -> None:
        """Take in that a message that ``begin`` gave is done with."""
        backlog = self._backlogs[client]
        if backlog.waiting and len(backlog.in_flight) == self._bounds.client_in_flight:
            self._turns.append(client)
        backlog.in_flight.remove(message)
        self._in_flight -= 1
        if not backlog.waiting and not backlog.in_flight:
            del self._backlogs[client]

    def _has_room(self, backlog: _Backlog, size: int) -> bool:
        own = len(backlog.waiting)
        free = self._bounds.messages - self._waiting
        bytes_left = self._bounds.size - self._size - size
        if own >= self._bounds.client_messages or free <= 0 or bytes_left < 0:
            return False
        return may_take(own, free, kept(self._bounds.messages)) and may_take(
            backlog.size, bytes_left, kept(self._bounds.size)
        )

    def _count(self, backlog: _Backlog, messages: int, size: int) -> None:
        self._waiting += messages
        self._size += size
        backlog.size += size
