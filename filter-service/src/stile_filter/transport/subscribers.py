"""Every subscription of the filter: what is received, who handles it, and how it all is drained.

FastStream subscribes to what comes seldom, heartbeats and advisories. Its subscriptions cost a third of a
millisecond a message, so requests and the workers' events come through nats-py's own (docs/adr/0023).

What direct clients send comes over a second connection alone, so that no flood of theirs is between
nats-server and the gateway's requests, or JetStream's confirmations (docs/adr/0018).
"""

import contextlib
import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple, Protocol

import nats.errors
import structlog
from faststream.nats import NatsMessage
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from stile_contracts import subjects
from stile_filter.transport.bus import Bus
from stile_filter.transport.direct import DirectClient
from stile_filter.transport.intake import Handle, Intake, RejectionObserver
from stile_filter.transport.message import IncomingMessage
from stile_filter.transport.unqueued import UnqueuedIntake

_GATEWAY = subjects.GATEWAY.encode()

log = structlog.get_logger()


class Follower(Protocol):
    """Receives what becomes of requests: ``queue.positions.PositionNotifier``."""

    def has_request(self, client: str, chat_id: str) -> bool:
        """Tell whether a client's request waits or runs."""
        ...

    def started(self, moved: subjects.RequestAddress, model: str | None) -> None:
        """Take in that a worker has taken a request up, and the token of its model if it has sent one."""
        ...

    def finished(self, moved: subjects.RequestAddress) -> None:
        """Take in that a request has its outcome."""
        ...

    def cancelled(self, client: str, chat_id: uuid.UUID) -> None:
        """Take in that a request is wanted no more."""
        ...


class Kind(NamedTuple):
    """One kind of message that requesters send."""

    name: str
    """For the log and the metrics."""
    of_gateway: str
    """The subjects that the gateway sends at."""
    of_all: str
    """The subjects that the gateway and the direct clients send at."""
    handle: Handle


class _Intakes(NamedTuple):
    """Who takes in one kind of message."""

    kind: Kind
    gateway: Intake
    direct: Intake


class Subscribers:
    """The subscriptions.

    Args:
        bus: the connection.
        kinds: what requesters send.
        turned_away: called for each message that is not taken.
        follower: receives what the workers and the filters say of requests.
        heartbeat: called with each worker's heartbeat; returns whether it is one.
        advisory: called for each request that CHAT gives up, in one of the filters.
        answer_check: handles the checks that workers ask for.
        console: handles what the console asks.
    """

    def __init__(  # noqa: PLR0913 -- the composition root is its only caller
        self,
        bus: Bus,
        kinds: Iterable[Kind],
        turned_away: RejectionObserver,
        *,
        follower: Follower,
        heartbeat: Callable[[bytes], bool],
        advisory: Callable[[IncomingMessage], Awaitable[None]],
        answer_check: Handle,
        console: Handle,
    ) -> None:
        self._bus = bus

        def intake(kind: Kind) -> Intake:
            return Intake(kind.name, kind.handle, bus.send, turned_away, follower.has_request)

        self._intakes = [_Intakes(kind, intake(kind), intake(kind)) for kind in kinds]
        self._direct_intakes = {
            intakes.kind.of_all.encode().split(b".")[1]: intakes.direct for intakes in self._intakes
        }
        """By the second token of the subjects that they take in."""
        self._follower = follower
        self._answer_checks = UnqueuedIntake(answer_check, bus.send)
        self._console = UnqueuedIntake(console, bus.send)
        self._direct = DirectClient(self._is_dropped)
        self._subscriptions: list[Subscription] = []
        self._draining = False

        async def on_heartbeat(incoming: IncomingMessage) -> None:
            if not heartbeat(incoming.body):
                log.warning("heartbeat_unreadable")

        self._seldom(subjects.CONSUMER_HEARTBEAT, on_heartbeat)
        self._seldom(subjects.MAX_DELIVERIES, advisory, queue=subjects.FILTER_QUEUE)

    @property
    def in_flight(self) -> int:
        """How many messages of requesters are being handled."""
        return sum(gateway.in_flight + direct.in_flight for _, gateway, direct in self._intakes)

    def unready(self) -> str | None:
        """Say why no request can be taken now; None if they can."""
        if self._draining:
            return "it is stopping"
        is_connected = self._subscriptions and self._bus.client.is_connected
        return None if is_connected else "the bus can't be reached"

    async def start(self) -> None:
        """Subscribe, and wait until the server has answered for all subscriptions."""
        client, follower = self._bus.client, self._follower
        for subject, receive in (
            (
                subjects.STARTED,
                lambda event: follower.started(
                    subjects.parse_progress(event.subject), event.data.decode() or None
                ),
            ),
            (subjects.FINISHED, lambda event: follower.finished(subjects.parse_progress(event.subject))),
            (subjects.CANCELLED, lambda event: follower.cancelled(*subjects.parse_cancelled(event.subject))),
        ):
            await client.subscribe(subject, cb=_receiver(receive))
        await self._direct.connect(**self._bus.options("direct"))
        for kind, gateway, direct in self._intakes:
            self._subscriptions += [
                await client.subscribe(kind.of_gateway, queue=subjects.FILTER_QUEUE, cb=gateway.take),
                await self._direct.subscribe(kind.of_all, queue=subjects.DIRECT_QUEUE, cb=direct.take),
            ]
        for subject, unqueued in (
            (subjects.ANSWER_CHECKS, self._answer_checks),
            (subjects.CONSOLE, self._console),
        ):
            self._subscriptions.append(
                await client.subscribe(subject, queue=subjects.FILTER_QUEUE, cb=unqueued.take)
            )
        while not self._bus.has_connected:
            try:
                await client.flush()
                await self._direct.flush()
                self._bus.has_connected = True
            except nats.errors.Error as error:
                # It went away in between; nats-py subscribes again by itself when it is back.
                log.warning("bus_error", reason=str(error))

    async def drain(self) -> None:
        """Take no more requests, and finish those that came, the buffered ones too."""
        self._draining = True
        if not self._subscriptions:
            return
        for subscription in self._subscriptions:
            try:
                await subscription.drain()  # type: ignore[no-untyped-call]
            except nats.errors.Error as error:
                log.warning("drain_failed", reason=str(error))
        for _, gateway, direct in self._intakes:
            await gateway.drain()
            await direct.drain()
        await self._answer_checks.drain()
        await self._console.drain()
        with contextlib.suppress(nats.errors.Error):
            await self._bus.client.flush()
        await self._direct.close()

    def _seldom(
        self, subject: str, handle: Callable[[IncomingMessage], Awaitable[None]], queue: str = ""
    ) -> None:
        """Have FastStream subscribe."""
        self._bus.broker.subscriber(subject, queue=queue, decoder=_incoming, no_reply=True)(handle)

    def _is_dropped(self, subject: bytes) -> bool:
        """Tell whether a message of the second connection is turned away without an answer."""
        prefix, kind, origin, *_ = *subject.split(b".", 3), b"", b""
        if prefix != b"chat":
            return False  # nats-py's own
        # What the gateway sends comes over the first connection as well.
        return origin == _GATEWAY or self._direct_intakes[kind].drops(origin.decode())


async def _incoming(message: NatsMessage) -> IncomingMessage:
    """Return what came as it came: its body's bytes, not what FastStream would make of them."""
    return IncomingMessage(message.raw_message.subject, message.reply_to, message.headers, message.body)


def _receiver(receive: Callable[[Msg], None]) -> Callable[[Msg], Awaitable[None]]:
    """Make of ``receive`` what nats-py calls with a message."""

    async def on_event(message: Msg) -> None:
        try:
            receive(message)
        except ValueError:
            log.warning("event_unreadable", subject=message.subject)

    return on_event
