"""The usher: tells those who wait of their places, and keeps any client from taking all of them.

``docs/protocol.md``, "Places", is its text.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from uuid import UUID

from stile_contracts import subjects
from stile_contracts.messages import EventLevel, QueueState
from stile_contracts.subjects import Lane, RequestAddress
from stile_filter.answers import Answers, Outgoing
from stile_filter.chat_queue import Standing
from stile_filter.routed_queue import RoutedQueue
from stile_filter.shares import kept, may_take
from stile_filter.speed import Size
from stile_runtime.fleet import Fleet


class Room(NamedTuple):
    """How much CHAT holds at most, and how full it is."""

    places: float
    """Requests; infinite where it has no such limit."""
    filled: float
    """The part of its bytes that is taken, 0 to 1."""


class Ticket(NamedTuple):
    """What the filter knows of a request that it has approved."""

    subject: str
    """In CHAT, without a model's token."""
    model: str | None
    """The token of the model that it names."""
    id: UUID
    reply_to: str
    wanted: EventLevel
    size: Size
    deadline_ms: int


class Observer(Protocol):
    """Is told how good the estimates were."""

    def estimated(self, error_seconds: float) -> None:
        """Note by how much an estimate was too long, or, below zero, too short."""
        ...


@dataclass(slots=True)
class _Guest:
    """One that this filter has accepted: it tells them of their place until they are begun."""

    ticket: Ticket
    accepted: float
    estimate: float | None
    told: int | None


class Usher:
    """Follows the queue.

    Args:
        fleet: the workers that live, and their speed.
        most: how many of one client's requests may wait, those that are being checked here included.
        observer: told of every estimate's error.
        clock: a monotonic clock, in seconds.
        now: the time, in seconds since the Unix epoch.
    """

    def __init__(
        self,
        fleet: Fleet,
        most: int,
        observer: Observer,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._queue = RoutedQueue(fleet, clock, now)
        self._most = most
        self._observer = observer
        self._clock = clock
        self._now = now
        self._guests: dict[str, _Guest] = {}
        self._claims: Counter[str] = Counter()
        self._room = Room(math.inf, 0)
        self.changed = asyncio.Event()
        """Set where ``messages`` may have something to say."""

    def claim(self, subject: str, client: str) -> float | None:
        """Take one of a client's places until ``release``.

        The fuller CHAT is, the fewer of them may be one client's, and the last ones are for clients that have
        none. Of what other filters approve, the usher knows after two seconds.

        Args:
            subject: of the request in CHAT; one that waits or runs already takes no second place.
            client: whose it is.

        Returns:
            None where there was one, else in how many seconds to ask again.
        """
        taken = self._queue.waiting_of(client) + self._claims[client]
        if subject not in self._queue and (taken >= self._most or not self._may_wait(taken)):
            return self._queue.client_retry_after(client)
        self._claims[client] += 1
        return None

    def _may_wait(self, taken: int) -> bool:
        places, filled = self._room
        free = min(places - len(self._queue) - self._claims.total(), places * (1 - filled))
        # Where none is free, CHAT itself says so, to everybody alike.
        return free <= 0 or may_take(taken, free, kept(places))

    def sized(self, room: Room) -> None:
        """Take in how much CHAT holds; call it every few seconds."""
        self._room = room

    def release(self, client: str) -> None:
        """Give back what ``claim`` has taken: by now the request has its place in CHAT, or none."""
        self._claims[client] -= 1
        if not self._claims[client]:
            del self._claims[client]

    def accepted(self, ticket: Ticket) -> Standing:
        """Take in that CHAT holds a request, and return where it stands; it is told of every change."""
        self._queue.accepted(ticket.subject, ticket.size, ticket.model)
        standing = self._queue.standing(ticket.subject)
        if self._queue.waits(ticket.subject):
            self._guests[ticket.subject] = _Guest(
                ticket, self._clock(), standing.estimate_seconds, standing.position
            )
            self.changed.set()
        return standing

    def standing(self, subject: str) -> Standing:
        """Tell where a request stands."""
        return self._queue.standing(subject)

    def has_place(self, client: str, chat_id: str) -> bool:
        """Tell whether a client's request waits or runs."""
        try:
            places = [subjects.approved(lane, client, UUID(chat_id)) for lane in Lane]
        except ValueError:
            return False  # neither is checked yet
        return any(place in self._queue for place in places)

    def started(self, moved: RequestAddress, model: str | None = None) -> None:
        """Take in that a worker has taken a request up, and the token of its model where it told one."""
        self._queue.taken(moved, model)
        self.changed.set()
        guest = self._guests.pop(subjects.approved(*moved), None)
        if guest and guest.estimate is not None:
            self._observer.estimated(guest.estimate - (self._clock() - guest.accepted))

    def finished(self, moved: RequestAddress) -> None:
        """Take in that a request has its outcome."""
        self._queue.finished(moved)
        self.changed.set()
        self._guests.pop(subjects.approved(*moved), None)

    def cancelled(self, client: str, chat_id: UUID) -> None:
        """Take in that a request is wanted no more."""
        self._queue.cancelled(client, chat_id)
        self.changed.set()
        for lane in Lane:
            self._guests.pop(subjects.approved(lane, client, chat_id), None)

    def seen(self, held: Iterable[str]) -> None:
        """Mend what is known by the subjects that CHAT held a moment ago; call it every few seconds."""
        self._queue.seen(held)
        self.changed.set()
        now_ms = self._now() * 1000
        for subject, guest in list(self._guests.items()):
            if not self._queue.waits(subject):
                del self._guests[subject]
            elif guest.ticket.deadline_ms <= now_ms:
                self._queue.expired(subject)
                del self._guests[subject]

    def messages(self) -> Iterator[Outgoing]:
        """Make a ``position`` for each whose place is not the one that was told last."""
        self.changed.clear()
        if not self._guests:
            return
        moved = [
            (guest, standing)
            for subject, standing in self._queue.standings()
            if (guest := self._guests.get(subject)) and guest.told != standing.position
        ]
        for guest, standing in moved:
            if self._guests.get(guest.ticket.subject) is guest:
                guest.told = standing.position
                answers = Answers(guest.ticket.reply_to, guest.ticket.wanted, guest.ticket.id)
                answers.moved(standing)
                yield from answers.said

    def state(self) -> QueueState:
        """Return the queue as it is now."""
        return self._queue.state()

    def retry_after(self) -> float:
        """Return in how many seconds a place in CHAT may be free."""
        return self._queue.retry_after()
