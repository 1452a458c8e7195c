"""Tells waiting clients their positions as these change, and looks into CHAT every few seconds."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from uuid import UUID

import structlog

from stile_contracts import subjects
from stile_contracts.messages import EventLevel, QueueListing, QueueState
from stile_contracts.subjects import Lane, RequestAddress
from stile_filter.errors import BusError
from stile_filter.ops.clock import WallClock
from stile_filter.queue.claims import Claims
from stile_filter.queue.estimate import Estimates, Fleet, QueuePosition
from stile_filter.queue.listing import listing
from stile_filter.queue.speed import Size
from stile_filter.queue.view import ChatView
from stile_filter.store import ChatLook, Store
from stile_filter.transport.message import OutgoingMessage
from stile_filter.transport.reply import Replies
from stile_runtime.fleet import REMEMBERED_SECONDS

NOTIFY_SECONDS = 0.25
"""Between two rounds of notifications: what changes within is sent once. The first change is sent at once."""

LOOK_SECONDS = 2.0
"""Between two looks into CHAT; for 200 requests nats-server needs half a millisecond for one."""

_WITHOUT_PAUSE = 64
"""After this many messages other tasks have their turn."""

log = structlog.get_logger()


class Subscription(NamedTuple):
    """A request that this filter has approved, and what its client wants to be sent of it."""

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
    """Counts how good the estimates are, and shows the queue."""

    def estimated(self, error_seconds: float) -> None:
        """Note by how much an estimate was too long or, below zero, too short."""
        ...

    def queue(self, state: QueueState) -> None:
        """Show the queue as it is now."""
        ...


@dataclass(slots=True)
class _Subscriber:
    """A client that is sent its position until its request starts."""

    request: Subscription
    accepted: float
    estimate: float | None
    sent: tuple[int | None, bool | None]
    """Position and hold, as they were sent last."""


class PositionNotifier:
    """Follows the queue for the clients whose requests this filter has approved.

    Args:
        fleet: the workers.
        store: CHAT.
        send: sends messages.
        most: how many of one client's requests may wait, those that are being checked here included.
        observer: counts and shows.
        clock: a monotonic clock, in seconds.
        wall_clock: is compared with nats-server's at every look.
    """

    def __init__(  # noqa: PLR0913 -- the composition root is its only caller
        self,
        fleet: Fleet,
        store: Store,
        send: Callable[[list[OutgoingMessage]], Awaitable[None]],
        *,
        most: int,
        observer: Observer,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: WallClock,
    ) -> None:
        self._view = ChatView(fleet.models, clock, wall_clock.now)
        self._estimates = Estimates(self._view, fleet, clock)
        self._claims = Claims(self._view, most)
        self._fleet = fleet
        self._store = store
        self._send = send
        self._observer = observer
        self._clock = clock
        self._wall_clock = wall_clock
        self._subscribers: dict[str, _Subscriber] = {}
        self.changed = asyncio.Event()
        """Set if ``messages`` may have something to send."""

    @property
    def held(self) -> bool:
        """Whether the queue is on hold."""
        return self._view.held

    def limit(self, most: int) -> None:
        """Have at most so many of one client's requests wait from now on."""
        self._claims.most = most

    def claim(self, subject: str, client: str) -> float | None:
        """Take one of a client's places in CHAT until ``release``.

        The fuller CHAT is, the fewer of them one client may have, and the last ones are for clients that have
        none. What other filters approve is known here after two seconds.

        Returns:
            None if there was one, else in how many seconds to ask again.
        """
        return None if self._claims.claim(subject, client) else self._estimates.client_retry_after(client)

    def release(self, subject: str, client: str) -> None:
        """Give back what ``claim`` has taken: by now the request has its place in CHAT, or none."""
        self._claims.release(subject, client)

    def accepted(self, request: Subscription) -> QueuePosition:
        """Take in that CHAT holds a request, and return its position; its client is sent every change."""
        self._view.accepted(request.subject, request.size, request.model)
        position = self._estimates.position(request.subject)
        if request.subject in self._view.waiting:
            self._subscribers[request.subject] = _Subscriber(
                request, self._clock(), position.estimate_seconds, (position.position, position.held)
            )
            self.changed.set()
        return position

    def position(self, subject: str) -> QueuePosition:
        """Return a request's position; nothing is known of one that does not wait."""
        return self._estimates.position(subject)

    def has_request(self, client: str, chat_id: str) -> bool:
        """Return whether a client's request waits or is in flight; neither argument need be valid."""
        try:
            places = [subjects.approved(lane, client, UUID(chat_id)) for lane in Lane]
        except ValueError:
            return False
        return any(place in self._view for place in places)

    def started(self, address: RequestAddress, worker_model: str | None = None) -> None:
        """Take in that a worker has taken a request, and the token of its model if it sent one."""
        self._view.started(address, worker_model)
        self.changed.set()
        subscriber = self._subscribers.pop(subjects.approved(*address), None)
        if subscriber and subscriber.estimate is not None:
            waited = self._clock() - subscriber.accepted
            self._observer.estimated(subscriber.estimate - waited)

    def finished(self, address: RequestAddress) -> None:
        """Take in that a request has its result."""
        self._view.finished(address)
        self.changed.set()
        self._subscribers.pop(subjects.approved(*address), None)

    def cancelled(self, client: str, chat_id: UUID) -> None:
        """Take in that a request is cancelled."""
        self._view.cancelled(client, chat_id)
        self.changed.set()
        for lane in Lane:
            self._subscribers.pop(subjects.approved(lane, client, chat_id), None)

    def seen(self, chat: ChatLook) -> None:
        """Mend what is known by what CHAT held a moment ago."""
        self._view.seen(chat.subjects)
        self._view.hold(held=subjects.HOLD in chat.subjects)
        self._claims.room = chat.room
        self.changed.set()
        now_ms = self._wall_clock.now() * 1000
        for subject, subscriber in list(self._subscribers.items()):
            if subject not in self._view.waiting:
                del self._subscribers[subject]
            elif subscriber.request.deadline_ms <= now_ms:
                self._view.expired(subject)
                del self._subscribers[subject]

    def messages(self) -> Iterator[OutgoingMessage]:
        """Make a ``position`` for each client whose position is not the one that it was sent last."""
        self.changed.clear()
        if not self._subscribers:
            return
        moved = [
            (subscriber, position)
            for subject, position in self._estimates.positions()
            if (subscriber := self._subscribers.get(subject))
            and subscriber.sent != (position.position, position.held)
        ]
        for subscriber, position in moved:
            request = subscriber.request
            if self._subscribers.get(request.subject) is subscriber:
                subscriber.sent = (position.position, position.held)
                replies = Replies(request.reply_to, request.wanted, request.id)
                replies.moved(position)
                yield from replies.messages

    def state(self) -> QueueState:
        """Return the queue as it is now."""
        return self._estimates.state()

    def listing(self) -> QueueListing:
        """Return who is answered and who waits."""
        names = self._fleet.models(REMEMBERED_SECONDS)
        return listing(self._view, self._estimates, names, self._clock, self._wall_clock.now)

    def retry_after(self) -> float:
        """Return in how many seconds CHAT may have room again."""
        return self._estimates.retry_after()

    async def look(self) -> None:
        """Look into CHAT, if it can be asked."""
        try:
            asked = self._wall_clock.now()
            chat = await self._store.look()
            self._wall_clock.compare(chat.at, asked)
            self.seen(chat)
        except BusError as error:
            self._view.unseen()
            log.warning("queue_not_seen", error=type(error).__name__, reason=str(error))
        self._observer.queue(self._estimates.state())

    async def keep_looking(self) -> None:
        """Look into CHAT every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def keep_notifying(self) -> None:
        """Send the positions that have changed, until cancelled."""
        while True:
            await self.changed.wait()
            for number, message in enumerate(self.messages(), 1):
                await self._send([message])
                if number % _WITHOUT_PAUSE == 0:
                    await asyncio.sleep(0)
            await asyncio.sleep(NOTIFY_SECONDS)
