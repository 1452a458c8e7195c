"""The edge to NATS: two connections, and what is heard and sent over them.

What direct clients send comes over the second one alone, so that no flood of theirs is between nats-server
and the gateway's requests, or JetStream's confirmations (docs/adr/0020). FastStream starts and stops the
first, and takes in what comes seldom. Its subscriptions cost a third of a millisecond a message, and its
``publish`` adds headers, which the message that ends a reply stream must not have: for both the raw client is
used.
"""

import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import NamedTuple, Protocol

import nats.errors
import structlog
from faststream.nats import NatsBroker, NatsMessage
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from stile_contracts import subjects
from stile_contracts.messages import Heartbeat, QueueState
from stile_filter.answers import Outgoing
from stile_filter.direct import DirectClient
from stile_filter.intake import Intake
from stile_filter.request import Incoming
from stile_filter.settings import Settings
from stile_runtime import connection
from stile_runtime.settings import SettingsError

_INBOX = "_INBOX_filter"
_DIRECT = "stile-filter-direct"
_GATEWAY = subjects.GATEWAY.encode()
_AUTHORIZATION = "authorization"

log = structlog.get_logger()


class Follower(Protocol):
    """Is told what becomes of requests: ``usher.Usher``."""

    def started(self, moved: subjects.RequestAddress, model: str | None) -> None:
        """Take in that a worker has taken a request up, and the token of its model where it told one."""
        ...

    def finished(self, moved: subjects.RequestAddress) -> None:
        """Take in that a request has its outcome."""
        ...

    def cancelled(self, client: str, chat_id: uuid.UUID) -> None:
        """Take in that a request is wanted no more."""
        ...


class _Served(NamedTuple):
    """One kind of message, and who takes it in."""

    of_gateway: str
    gateway: Intake
    of_all: str
    direct: Intake


class Bus:
    """The connections and their subscriptions.

    Args:
        settings: where the bus is, and the seed to log in with.
    """

    def __init__(self, settings: Settings) -> None:
        # FastDepends and its validation of arguments are of no use here, and cost a third of a message.
        self.broker = NatsBroker(logger=None, apply_types=False)
        # FastStream's own callback raises some errors within nats-py's reconnection, which ends it for good.
        self._options = connection.service_options(settings.login(_INBOX), "stile-filter", _Listener(self))
        self.broker._connection_kwargs.update(self._options)  # noqa: SLF001
        self.instance = f"filter-{uuid.uuid4().hex[:12]}"
        self._version = version("stile-filter")
        self._draining = False
        self.has_connected = False
        self._direct = DirectClient(self._is_dropped)
        self._served: list[_Served] = []
        self._direct_intakes: dict[bytes, Intake] = {}
        """By the second token of the subjects that they take in."""
        self._subscriptions: list[Subscription] = []
        self._events: dict[str, Callable[[Msg], None]] = {}

    @property
    def client(self) -> Client:
        """The raw connection."""
        return self.broker.connection

    def unready(self) -> str | None:
        """Say why no request can be taken now, or None where they can."""
        if self._draining:
            return "it is stopping"
        return None if self._subscriptions and self.client.is_connected else "the bus can't be reached"

    @property
    def in_hand(self) -> int:
        """How many requests, cancellations and lookups are being handled."""
        return sum(served.gateway.in_hand + served.direct.in_hand for served in self._served)

    def serve(self, of_gateway: str, gateway: Intake, of_all: str, direct: Intake) -> None:
        """Have one kind of message taken in once the broker runs.

        Args:
            of_gateway: the subjects that the gateway sends at.
            gateway: takes in what comes there.
            of_all: the subjects that the gateway and the direct clients send at.
            direct: takes in what the direct clients send.
        """
        self._served.append(_Served(of_gateway, gateway, of_all, direct))
        self._direct_intakes[of_all.encode().split(b".")[1]] = direct

    def follow(self, usher: Follower) -> None:
        """Have ``usher`` told what the workers and the filters tell of requests."""
        self._events = {
            subjects.STARTED: lambda event: usher.started(
                subjects.parse_progress(event.subject), event.data.decode() or None
            ),
            subjects.FINISHED: lambda event: usher.finished(subjects.parse_progress(event.subject)),
            subjects.CANCELLED: lambda event: usher.cancelled(*subjects.parse_cancelled(event.subject)),
        }

    def serve_advisories(self, advised: Callable[[Incoming], Awaitable[None]]) -> None:
        """Have ``advised`` called for each request that CHAT gives up, in one of the filters."""
        subscriber = self.broker.subscriber(
            subjects.MAX_DELIVERIES, queue=subjects.FILTER_QUEUE, decoder=_incoming, no_reply=True
        )
        subscriber(advised)

    def listen(self, heard: Callable[[bytes], bool]) -> None:
        """Have ``heard`` called for each consumer's heartbeat; it returns whether it is one."""
        subscriber = self.broker.subscriber(subjects.CONSUMER_HEARTBEAT, decoder=_incoming, no_reply=True)

        async def on_heartbeat(incoming: Incoming) -> None:
            if not heard(incoming.body):
                log.warning("heartbeat_unreadable")

        subscriber(on_heartbeat)

    async def beat(self, unready: str | None, queue: QueueState) -> None:
        """Tell the others of this filter, and of the queue as it sees it."""
        heartbeat = Heartbeat(
            part="filter",
            instance=self.instance,
            version=self._version,
            ready=unready is None,
            reason=unready,
            now_ms=time.time_ns() // 1_000_000,
            queue=queue,
        )
        with contextlib.suppress(nats.errors.Error):
            await self.client.publish(
                subjects.FILTER_HEARTBEAT, heartbeat.model_dump_json(exclude_none=True).encode()
            )

    async def started(self) -> None:
        """Subscribe to the events, and wait until the server has answered for all subscriptions."""
        for subject, told in self._events.items():
            # Not FastStream's: there are several for each request, and it costs a third of a millisecond.
            await self.client.subscribe(subject, cb=_calls(told))
        await self._direct.connect(**{**self._options, "name": _DIRECT})
        for served in self._served:
            self._subscriptions += [
                await self.client.subscribe(
                    served.of_gateway, queue=subjects.FILTER_QUEUE, cb=served.gateway.take
                ),
                await self._direct.subscribe(
                    served.of_all, queue=subjects.DIRECT_QUEUE, cb=served.direct.take
                ),
            ]
        while not self.has_connected:
            try:
                await self.client.flush()
                await self._direct.flush()
                self.has_connected = True
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
        for served in self._served:
            await served.gateway.drain()
            await served.direct.drain()
        with contextlib.suppress(nats.errors.Error):
            await self.client.flush()
        await self._direct.close()

    async def send(self, messages: list[Outgoing]) -> None:
        """Send messages to requesters; what can't be sent is logged, as a requester asks again."""
        for message in messages:
            try:
                await self.client.publish(message.subject, message.body, headers=message.headers)
            except nats.errors.Error as error:
                log.warning("reply_not_sent", reason=str(error))

    def _is_dropped(self, subject: bytes) -> bool:
        """Tell whether nobody will hear of a message of the second connection."""
        prefix, kind, origin, *_ = *subject.split(b".", 3), b"", b""
        if prefix != b"chat":
            return False  # nats-py's own
        # What the gateway sends comes over the first connection as well.
        return origin == _GATEWAY or self._direct_intakes[kind].drops(origin.decode())


class _Listener(connection.Listener):
    """Takes in what becomes of the two connections of ``bus``."""

    def __init__(self, bus: Bus) -> None:
        super().__init__()
        self._bus = bus

    async def failed(self, error: Exception) -> None:
        if not self._bus.has_connected and _AUTHORIZATION in str(error).lower():
            # A wrong key at the start is a wrong setting; later it may be a server that is being set up anew.
            raise SettingsError("STILE_NATS_NKEY_FILE: the bus does not know this key") from error
        await super().failed(error)


async def _incoming(message: NatsMessage) -> Incoming:
    """Return what came as it came: its body's bytes, not what FastStream would make of them."""
    return Incoming(message.raw_message.subject, message.reply_to, message.headers, message.body)


def _calls(told: Callable[[Msg], None]) -> Callable[[Msg], Awaitable[None]]:
    """Make of ``told`` what nats-py calls with a message."""

    async def on_event(message: Msg) -> None:
        try:
            told(message)
        except ValueError:
            log.warning("event_unreadable", subject=message.subject)

    return on_event
