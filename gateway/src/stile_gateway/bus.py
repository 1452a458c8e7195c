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
from stile_contracts.headers import CHAT_CLIENT, CHAT_REPLY_TO
from stile_contracts.ids import new_id
from stile_gateway.errors import (
    AcceptTimeoutError,
    BusUnavailableError,
    GatewayError,
    InternalError,
    NoFilterError,
    TooLargeError,
)
from stile_gateway.metrics import Metrics
from stile_gateway.requests.events import Inbox, ReplyMessage, Signal, StatusReply
from stile_gateway.settings import Settings
from stile_runtime import connection
from stile_runtime.fleet import ALIVE_SECONDS, Fleet

FLUSH_SECONDS = 2.0
"""How long a publish waits for room if the server reads too slowly."""

STREAM_SECONDS = 5.0
"""How long a stream has to reply."""

_SUBJECT = subjects.request(subjects.GATEWAY)
_NO_RESPONDERS = "503"
_ELSEWHERE_SECONDS = 1.0
"""How long the other gateways have to say that a client waits there."""


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
        self._attended_elsewhere: dict[str, asyncio.Event] = {}
        self._client: Client | None = None
        self._heartbeat_at = time.monotonic()
        self._silent_after = ALIVE_SECONDS

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

        nats-py reconnects by itself, but closes for good on some errors of the server, for example a user
        that is refused. Then a new client takes its place.
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
    def inbox(self, name: str, about: UUID) -> Iterator[Inbox]:
        """Open the inbox ``name``, one token of a subject; it is closed at the end of the block.

        It is signalled when the request ``about`` has finished, and when the connection is back.
        """
        inbox = self._inboxes[name] = Inbox(f"{self._prefix}.{name}")
        self._about.setdefault(str(about), set()).add(inbox)
        try:
            yield inbox
        finally:
            del self._inboxes[name]
            self._about[str(about)].discard(inbox)
            if not self._about[str(about)]:
                del self._about[str(about)]
            if inbox.dropped:
                self._metrics.dropped.inc(inbox.dropped)

    async def publish(self, inbox: Inbox, body: bytes, headers: dict[str, str]) -> None:
        """Publish a request whose replies go to ``inbox``; as ``Bus.publish``."""
        await self._send(_SUBJECT, inbox.subject, body, headers)

    async def status(self, client: str, chat_id: UUID, within: float) -> StatusReply:
        """Ask for the status of a request; as ``Bus.status``."""
        reply = await self._ask(subjects.status(subjects.GATEWAY, chat_id), client, within)
        return StatusReply(reply.headers or {}, reply.data)

    async def follow(self, inbox: Inbox, client: str, chat_id: UUID) -> None:
        """Have a request's events sent to ``inbox`` too; as ``Bus.follow``."""
        # The inbox is no reply subject: without a worker, nats-server would reply "no responders" there.
        await self._send(subjects.follow(client, chat_id), "", b"", {CHAT_REPLY_TO: inbox.subject})

    async def cancel(self, client: str, chat_id: UUID) -> None:
        """Publish that a client does not want its request any more; as ``Bus.cancel``."""
        await self._send(subjects.cancel(subjects.GATEWAY, chat_id), "", b"", {CHAT_CLIENT: client})

    async def cancel_receipt(self, client: str, chat_id: UUID, within: float) -> ReplyMessage:
        """Do the same, and wait for the receipt; as ``Bus.cancel_receipt``."""
        reply = await self._ask(subjects.cancel(subjects.GATEWAY, chat_id), client, within)
        return ReplyMessage(reply.headers or {}, reply.data)

    async def is_attended_elsewhere(self, client: str, chat_id: UUID) -> bool:
        """Ask the other gateways whether a client waits there; as ``Bus.is_attended_elsewhere``."""
        attended = self._attended_elsewhere[str(chat_id)] = asyncio.Event()
        try:
            await self._send(subjects.abandoned(client, chat_id), "", b"", {})
            async with asyncio.timeout(_ELSEWHERE_SECONDS):
                return await attended.wait()
        except TimeoutError:
            return False
        finally:
            del self._attended_elsewhere[str(chat_id)]

    async def stream_reply(self, subject: str, body: bytes, headers: dict[str, str] | None = None) -> bytes:
        """Send a request to a stream, and return the body of the reply.

        Raises:
            BusUnavailableError: there is no connection, no such stream, or no reply in time.
            TooLargeError: the bus takes no message of this size.
        """
        connected = self._connected()
        try:
            reply = await connected.request(subject, body, timeout=STREAM_SECONDS, headers=headers)
        except (nats.errors.NoRespondersError, nats.errors.TimeoutError):
            raise BusUnavailableError("The bus does not reply; try again.", retry_after=1) from None
        except nats.errors.Error as error:
            raise translate(error) from error
        return reply.data

    async def _ask(self, subject: str, client: str, within: float) -> Msg:
        """Send a request of nats-py's, about ``client``'s chat, and return the one reply."""
        connected = self._connected()
        try:
            return await connected.request(subject, timeout=within, headers={CHAT_CLIENT: client})
        except nats.errors.NoRespondersError:
            raise NoFilterError("No filter is there; try again later.", retry_after=1) from None
        except nats.errors.TimeoutError:
            raise AcceptTimeoutError("No filter has replied in time; it can be asked again.") from None
        except nats.errors.Error as error:
            raise translate(error) from error

    async def _send(self, subject: str, reply_to: str, body: bytes, headers: dict[str, str]) -> None:
        client = self._connected()
        try:
            await client.publish(subject, body, reply_to, headers)
        except nats.errors.Error as error:
            raise translate(error) from error

    def _connected(self) -> Client:
        if self._client is None or not self._client.is_connected:
            raise BusUnavailableError("The bus is not connected; try again.", retry_after=1)
        return self._client

    async def _connect(self, client: Client, listener: "_Listener") -> None:
        listener.gone.clear()
        login = self._settings.login(subjects.GATEWAY_INBOX)
        options = connection.service_options(login, "stile-gateway", listener)
        await client.connect(**options, flush_timeout=FLUSH_SECONDS)
        await client.subscribe(f"{self._prefix}.*", cb=self._reply)
        for subject in (subjects.FILTER_HEARTBEAT, subjects.CONSUMER_HEARTBEAT):
            await client.subscribe(subject, cb=self._heartbeat)
        for subject in (subjects.FINISHED, subjects.CANCELLED):
            await client.subscribe(subject, cb=self._finished)
        await client.subscribe(subjects.ABANDONED, cb=self._abandoned)
        await client.subscribe(subjects.ATTENDED, cb=self._attended)
        await client.flush()
        self._client = client
        await listener.connected()

    async def _reply(self, message: Msg) -> None:
        inbox = self._inboxes.get(message.subject[len(self._prefix) + 1 :])
        if inbox is None:
            self._metrics.unclaimed.inc()
            return
        headers = message.headers or {}
        if not message.data and headers.get("Status") == _NO_RESPONDERS:
            self._fleet.no_responders("filter")
            inbox.put(Signal.NO_RESPONDERS)
        else:
            inbox.put(ReplyMessage(headers, message.data))

    async def _finished(self, message: Msg) -> None:
        for inbox in self._about.get(message.subject.rpartition(".")[2], ()):
            inbox.put(Signal.FINISHED)

    async def _abandoned(self, message: Msg) -> None:
        """Say if a client waits here for a request that a gateway would end, this one or another."""
        *_, client, chat_id = message.subject.split(".")
        if any(inbox.is_attended for inbox in self._about.get(chat_id, ())):
            with contextlib.suppress(GatewayError):
                await self._send(subjects.attended(client, UUID(chat_id)), "", b"", {})

    async def _attended(self, message: Msg) -> None:
        if waiting := self._attended_elsewhere.get(message.subject.rpartition(".")[2]):
            waiting.set()

    async def _heartbeat(self, message: Msg) -> None:
        now = time.monotonic()
        if now - self._heartbeat_at > self._silent_after:
            # No part was heard: a link between servers was cut (docs/scaling.md). It is as if this
            # connection had been lost.
            self.come_back()
        self._heartbeat_at = now
        self._fleet.receive_body(message.data)
        self._silent_after = self._fleet.silent_after()

    def come_back(self) -> None:
        """Have every request sent again: what was published in the meantime may be lost."""
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
