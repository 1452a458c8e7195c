"""The bus, through nats-py, whose errors end here.

One inbox subscription for all requests, the heartbeats, and a connection that is kept up.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from uuid import UUID

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from prometheus_client import Gauge

from stile_contracts import subjects
from stile_contracts.headers import CHAT_CLIENT
from stile_contracts.ids import new_id
from stile_gateway.errors import BusUnavailableError, GatewayError, InternalError, TooLargeError
from stile_gateway.inbox import Delivery, Found, Inbox, Signal
from stile_gateway.metrics import Metrics
from stile_gateway.settings import Settings
from stile_runtime import connection
from stile_runtime.fleet import ALIVE_SECONDS, Fleet

FLUSH_SECONDS = 2.0
"""How long a publish waits for room where the server reads too slowly."""

_SUBJECT = subjects.request(subjects.GATEWAY)
_NO_RESPONDERS = "503"
_ELSEWHERE_SECONDS = 1.0
"""How long the other gateways have to say that somebody waits there."""
_FOUND = "-found"
"""Ends the name of where the answers to an inbox's look-ups come."""


def translate(error: Exception) -> GatewayError:
    """Turn an error of a publish into the gateway's own."""
    match error:
        case nats.errors.MaxPayloadError():
            return TooLargeError("The bus takes no message of this size.", param="body")
        case (
            nats.errors.ConnectionClosedError()
            | nats.errors.ConnectionDrainingError()
            | nats.errors.ConnectionReconnectingError()
            | nats.errors.OutboundBufferLimitError()
            | nats.errors.NoServersError()
        ):
            return BusUnavailableError("The bus is not connected; try again.", retry_after=1)
    return InternalError("The request could not be sent.")


class NatsBus:
    """The gateway's connection to nats-server; ``run`` keeps it up.

    Args:
        settings: where the server is, and as whom to speak.
        fleet: receives every heartbeat.
        metrics: what is counted.
    """

    def __init__(self, settings: Settings, fleet: Fleet, metrics: Metrics) -> None:
        self._settings = settings
        self._fleet = fleet
        self._metrics = metrics
        self._prefix = f"{subjects.GATEWAY_INBOX}.{new_id().hex}"
        self._inboxes: dict[str, Inbox] = {}
        self._about: dict[str, set[Inbox]] = {}
        self._heard_elsewhere: dict[str, asyncio.Event] = {}
        self._client: Client | None = None
        self._heard_at = time.monotonic()

    @property
    def connected(self) -> bool:
        """Whether a publish would go out now."""
        return self._client is not None and self._client.is_connected

    @property
    def has_connected(self) -> bool:
        """Whether the present client was connected once, and is not being closed."""
        return self._client is not None

    async def run(self) -> None:
        """Keep the connection up until cancelled.

        nats-py comes back from a lost connection by itself, but closes for good on some errors of the
        server's (a refused user, for one): then a new client takes its place.
        """
        listener = _Listener(self, self._metrics.bus_connected)
        while True:
            client = Client()
            try:
                await self._connect(client, listener)
                await listener.gone.wait()
            except (OSError, nats.errors.Error) as error:
                await listener.failed(error)
            finally:
                self._client = None
                self._metrics.bus_connected.set(0)
                await client.close()
            await asyncio.sleep(connection.RECONNECT_SECONDS)

    @contextlib.contextmanager
    def inbox(self, name: str, about: UUID | None = None) -> Iterator[Inbox]:
        """Open the inbox ``name``, one token of a subject; left, it is forgotten.

        It is told when the request ``about`` is settled.
        """
        inbox = self._inboxes[name] = Inbox(f"{self._prefix}.{name}")
        if about is not None:
            self._about.setdefault(str(about), set()).add(inbox)
        try:
            yield inbox
        finally:
            del self._inboxes[name]
            if about is not None:
                self._about[str(about)].discard(inbox)
                if not self._about[str(about)]:
                    del self._about[str(about)]
            if inbox.dropped:
                self._metrics.dropped.inc(inbox.dropped)

    async def publish(self, inbox: Inbox, body: bytes, headers: dict[str, str]) -> None:
        """Publish a request whose replies go to ``inbox``.

        Raises:
            BusUnavailableError: there is no connection; nothing was sent, nor will be later.
            TooLargeError: the server takes no message of this size.
            InternalError: it could not be sent for another reason.
        """
        await self._send(_SUBJECT, inbox.subject, body, headers)

    async def cancel(self, client: str, chat_id: UUID, inbox: Inbox | None = None) -> None:
        """Publish that ``client`` wants its request ``chat_id`` no more; the receipt goes to ``inbox``.

        Raises:
            BusUnavailableError: there is no connection; nothing was sent, nor will be later.
            InternalError: it could not be sent for another reason.
        """
        headers = {CHAT_CLIENT: client}
        subject = subjects.cancel(subjects.GATEWAY, chat_id)
        await self._send(subject, inbox.subject if inbox else "", b"", headers)

    async def is_heard_elsewhere(self, client: str, chat_id: UUID) -> bool:
        """Ask the other gateways whether somebody waits there for ``client``'s request; takes a second.

        Raises:
            BusUnavailableError: they can't be asked.
            InternalError: it could not be sent for another reason.
        """
        heard = self._heard_elsewhere[str(chat_id)] = asyncio.Event()
        try:
            await self._send(subjects.abandoned(client, chat_id), "", b"", {})
            async with asyncio.timeout(_ELSEWHERE_SECONDS):
                return await heard.wait()
        except TimeoutError:
            return False
        finally:
            del self._heard_elsewhere[str(chat_id)]

    async def look_up(self, client: str, chat_id: UUID, inbox: Inbox) -> None:
        """Ask what became of ``client``'s request ``chat_id``; ``inbox`` gets it as ``Found``.

        Raises:
            BusUnavailableError: there is no connection; nothing was sent, nor will be later.
            InternalError: it could not be sent for another reason.
        """
        subject = subjects.status(subjects.GATEWAY, chat_id)
        await self._send(subject, inbox.subject + _FOUND, b"", {CHAT_CLIENT: client})

    async def _send(self, subject: str, reply_to: str, body: bytes, headers: dict[str, str]) -> None:
        client = self._client
        if client is None or not client.is_connected:
            raise BusUnavailableError("The bus is not connected; try again.", retry_after=1)
        try:
            await client.publish(subject, body, reply_to, headers)
        except nats.errors.Error as error:
            raise translate(error) from error

    async def _connect(self, client: Client, listener: "_Listener") -> None:
        listener.gone.clear()
        login = self._settings.login(subjects.GATEWAY_INBOX)
        options = connection.service_options(login, "stile-gateway", listener)
        await client.connect(**options, flush_timeout=FLUSH_SECONDS)
        await client.subscribe(f"{self._prefix}.*", cb=self._reply)
        for subject in (subjects.FILTER_HEARTBEAT, subjects.CONSUMER_HEARTBEAT):
            await client.subscribe(subject, cb=self._heartbeat)
        for subject in (subjects.FINISHED, subjects.CANCELLED):
            await client.subscribe(subject, cb=self._settled)
        await client.subscribe(subjects.ABANDONED, cb=self._unheard)
        await client.subscribe(subjects.ATTENDED, cb=self._heard)
        await client.flush()
        self._client = client
        await listener.connected()

    async def _reply(self, message: Msg) -> None:
        name = message.subject[len(self._prefix) + 1 :]
        inbox = self._inboxes.get(name.removesuffix(_FOUND))
        if inbox is None:
            self._metrics.unclaimed.inc()
            return
        headers = message.headers or {}
        if not message.data and headers.get("Status") == _NO_RESPONDERS:
            inbox.put(Signal.NO_RESPONDERS)
        else:
            inbox.put((Found if name.endswith(_FOUND) else Delivery)(headers, message.data))

    async def _settled(self, message: Msg) -> None:
        for inbox in self._about.get(message.subject.rpartition(".")[2], ()):
            inbox.put(Signal.SETTLED)

    async def _unheard(self, message: Msg) -> None:
        """Another gateway would end a request, or this one would: then nobody waits here."""
        *_, client, chat_id = message.subject.split(".")
        if any(inbox.wanted for inbox in self._about.get(chat_id, ())):
            with contextlib.suppress(GatewayError):
                await self._send(subjects.attended(client, UUID(chat_id)), "", b"", {})

    async def _heard(self, message: Msg) -> None:
        if asked := self._heard_elsewhere.get(message.subject.rpartition(".")[2]):
            asked.set()

    async def _heartbeat(self, message: Msg) -> None:
        now = time.monotonic()
        if now - self._heard_at > ALIVE_SECONDS:
            # Nobody was heard: a link between servers was cut (docs/scaling.md), as if this connection was.
            self.come_back()
        self._heard_at = now
        self._fleet.receive_body(message.data)

    def come_back(self) -> None:
        """Have every request sent again: what was published lately may be lost."""
        for inbox in self._inboxes.values():
            inbox.put(Signal.RECONNECTED)


class _Listener(connection.Listener):
    """Takes in what becomes of the connection of ``bus``."""

    def __init__(self, bus: NatsBus, connected: Gauge) -> None:
        super().__init__()
        self._bus = bus
        self._connected = connected
        self.gone = asyncio.Event()

    async def connected(self) -> None:
        self._connected.set(1)
        await super().connected()
        self._bus.come_back()

    async def disconnected(self) -> None:
        self._connected.set(0)
        if self._bus.has_connected:
            await super().disconnected()

    async def reconnected(self) -> None:
        self._connected.set(1)
        await super().reconnected()
        self._bus.come_back()

    async def closed(self) -> None:
        self.gone.set()
