"""The bus, through nats-py, whose errors end here: heartbeats and records in, questions to the filter out."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic import ValidationError

from stile_console.errors import UnavailableError
from stile_console.history import reader
from stile_console.history.records import Records
from stile_console.settings import Settings
from stile_contracts import subjects
from stile_contracts.messages import ErrorReply
from stile_contracts.messages.base import Message
from stile_runtime import connection
from stile_runtime.fleet import Fleet

Reply = TypeVar("Reply", bound=Message)

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

    async def ask(self, subject: str, body: bytes, reply_type: type[Reply], within: float) -> Reply:
        """Send a request to the filters, and return the one reply.

        Args:
            subject: of the request.
            body: of the request.
            reply_type: what the reply is.
            within: seconds that the reply may take.

        Raises:
            UnavailableError: there is no connection, nobody who could reply, no reply in time, or an error as
                the reply.
        """
        if self._client is None or not self._client.is_connected:
            raise UnavailableError("The bus is not connected; try again.")
        try:
            reply = await self._client.request(subject, body, timeout=within)
        except nats.errors.NoRespondersError:
            raise UnavailableError("No filter is there; try again later.") from None
        except nats.errors.TimeoutError:
            raise UnavailableError("The filter has not replied in time; try again.") from None
        except nats.errors.Error as error:
            raise UnavailableError(f"The bus does not take the request: {error}") from error
        return _parsed(reply.data, reply_type)

    async def _read_log(self) -> None:
        """Read the log anew: records that were written while there was no connection were not heard."""
        if self._client is None:
            return
        self._records.clear()
        try:
            async for record in reader.read(self._client, self._records.since):
                self._records.add(record)
        except nats.errors.Error as error:
            log.warning("log_not_read", reason=str(error) or type(error).__name__)

    async def _record(self, message: Msg) -> None:
        if (record := reader.parsed(message.data)) is not None:
            self._records.add(record)

    async def _heartbeat(self, message: Msg) -> None:
        self._fleet.receive_body(message.data)


def _parsed(body: bytes, reply_type: type[Reply]) -> Reply:
    try:
        return reply_type.model_validate_json(body)
    except ValidationError:
        pass
    try:
        error = ErrorReply.model_validate_json(body).error
    except ValidationError:
        raise UnavailableError("The filter's reply can't be read: is it of another version?") from None
    raise UnavailableError(f"The filter could not do it: {error.message}")


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
