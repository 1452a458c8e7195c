"""The bus, through nats-py, whose errors end here: heartbeats and records come in, the filters are asked."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic import ValidationError

from stile_console.errors import UnavailableError
from stile_console.history.records import Records
from stile_console.settings import Settings
from stile_contracts import subjects
from stile_contracts.messages import CancelReceipt, HoldState, LogRecord, PolicyVerdict, QueueListing
from stile_runtime import connection
from stile_runtime.console_client import ConsoleClient, ConsoleError
from stile_runtime.fleet import Fleet

log = structlog.get_logger(__name__)


class NatsBus:
    """The console's connection to nats-server; ``run`` keeps it up.

    Args:
        settings: where the server is, and as whom to speak.
        fleet: receives every heartbeat.
        records: receives every record of the log.
    """

    def __init__(self, settings: Settings, fleet: Fleet, records: Records) -> None:
        self._settings = settings
        self._fleet = fleet
        self._records = records
        self._client: Client | None = None
        self._reading = asyncio.Lock()

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._client is not None and self._client.is_connected

    async def run(self) -> None:
        """Keep the connection up until cancelled.

        nats-py reconnects by itself, but closes for good on some errors of the server, for example a user
        that is refused. Then a new client takes its place.
        """
        listener = _Listener(self._read_log)
        while True:
            client = Client()
            listener.gone.clear()
            try:
                login = self._settings.login(subjects.CONSOLE_INBOX)
                await client.connect(**connection.service_options(login, "stile-console", listener))
                for subject in (subjects.FILTER_HEARTBEAT, subjects.CONSUMER_HEARTBEAT):
                    await client.subscribe(subject, cb=self._heartbeat)
                await client.subscribe(subjects.LOG, cb=self._record)
                await client.flush()
                self._client = client
                await listener.connected()
                await self._read_log()
                await listener.gone.wait()
            except (OSError, nats.errors.Error) as error:
                await listener.failed(error)
            finally:
                self._client = None
                await client.close()
            await asyncio.sleep(connection.RECONNECT_SECONDS)

    async def verdict(self, text: str, policy: str | None = None) -> PolicyVerdict:
        """Return what the policy in use, or the one whose text is given, says of a text; as all below.

        Raises:
            UnavailableError: there is no connection, no filter or no reply in time, or the reply is an error.
        """
        async with _errors():
            return await self._connected().verdict(text, policy)

    async def queue(self) -> QueueListing:
        """Return who is answered and who waits."""
        async with _errors():
            return await self._connected().queue()

    async def cancel(self, client: str, chat_id: UUID) -> CancelReceipt:
        """Cancel a request of any client."""
        async with _errors():
            return await self._connected().cancel(client, chat_id)

    async def hold(self, *, held: bool) -> HoldState:
        """Start nothing more, or go on."""
        async with _errors():
            client = self._connected()
            return await (client.hold() if held else client.resume())

    def _connected(self) -> ConsoleClient:
        if self._client is None or not self._client.is_connected:
            raise UnavailableError("The bus is not connected; try again.")
        return ConsoleClient(self._client)

    async def _read_log(self) -> None:
        """Read the log anew: records that were written while there was no connection were not heard."""
        if self._client is None:
            return
        async with self._reading:
            self._records.clear()
            try:
                async for record in ConsoleClient(self._client).records(int(self._records.since * 1000)):
                    self._records.add(record)
            except ConsoleError as error:
                log.warning("log_not_read", reason=str(error))

    async def _record(self, message: Msg) -> None:
        with contextlib.suppress(ValidationError):  # of a later version
            self._records.add(LogRecord.model_validate_json(message.data))

    async def _heartbeat(self, message: Msg) -> None:
        self._fleet.receive_body(message.data)


@contextlib.asynccontextmanager
async def _errors() -> AsyncIterator[None]:
    try:
        yield
    except ConsoleError as error:
        raise UnavailableError(f"It could not be done: {error}.") from error


class _Listener(connection.Listener):
    """Knows when a connection is over for good, and has the log read when it is back."""

    def __init__(self, came_back: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self._came_back = came_back
        self._reading: asyncio.Future[None] | None = None
        self.gone = asyncio.Event()

    async def reconnected(self) -> None:
        await super().reconnected()
        # nats-py waits for its callbacks before it delivers anything.
        self._reading = asyncio.ensure_future(self._came_back())

    async def closed(self) -> None:
        self.gone.set()
