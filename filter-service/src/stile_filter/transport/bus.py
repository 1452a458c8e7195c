"""The connection to NATS, and what is sent over it.

FastStream opens and closes it (docs/adr/0023). Messages go out through nats-py's own client: FastStream's
``publish`` adds headers, which the message that ends a reply stream must not have.
"""

import contextlib
import time
import uuid
from importlib.metadata import version
from typing import Any

import nats.errors
import structlog
from faststream.nats import NatsBroker
from nats.aio.client import Client

from stile_contracts import subjects
from stile_contracts.messages import Heartbeat, QueueState
from stile_filter.settings import Settings
from stile_filter.transport.message import OutgoingMessage
from stile_runtime import connection
from stile_runtime.settings import SettingsError

_INBOX = "_INBOX_filter"
_NAME = "stile-filter"
_AUTHORIZATION = "authorization"

log = structlog.get_logger()


class Bus:
    """The connection.

    Args:
        settings: where the bus is, and the seed to log in with.
    """

    def __init__(self, settings: Settings) -> None:
        # FastDepends and its validation of arguments are of no use here, and cost a third of a message.
        self.broker = NatsBroker(logger=None, apply_types=False)
        self._options = connection.service_options(settings.login(_INBOX), _NAME, _Listener(self))
        # FastStream's own callback raises some errors within nats-py's reconnection, which ends it for good.
        self.broker._connection_kwargs.update(self._options)  # noqa: SLF001
        self.instance = f"filter-{uuid.uuid4().hex[:12]}"
        self.has_connected = False
        """Set when the server has answered for all subscriptions."""
        self._version = version("stile-filter")

    @property
    def client(self) -> Client:
        """nats-py's client."""
        return self.broker.connection

    def options(self, suffix: str) -> dict[str, Any]:
        """Return what nats-py's ``connect`` takes for one more connection; its errors end in the same place.

        Args:
            suffix: of the connection's name, as nats-server shows it.
        """
        return {**self._options, "name": f"{_NAME}-{suffix}"}

    async def publish(self, subject: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Publish a message, and wait for nothing.

        Raises:
            nats.errors.Error: it can't be sent.
        """
        await self.client.publish(subject, body, headers=headers)

    async def send(self, messages: list[OutgoingMessage]) -> None:
        """Send messages to requesters; what can't be sent is logged, as a requester asks again."""
        for message in messages:
            try:
                await self.client.publish(message.subject, message.body, headers=message.headers)
            except nats.errors.Error as error:
                log.warning("reply_not_sent", reason=str(error))

    async def beat(
        self, unready: str | None, queue: QueueState, *, policy: str, refused: bool, held: bool
    ) -> None:
        """Send this filter's heartbeat, with the queue as it sees it.

        Args:
            unready: why it can't decide now.
            queue: as it sees it.
            policy: the version in use.
            refused: whether the policy's file is refused.
            held: whether the queue is on hold.
        """
        heartbeat = Heartbeat(
            part="filter",
            instance=self.instance,
            version=self._version,
            ready=unready is None,
            reason=unready,
            now_ms=time.time_ns() // 1_000_000,
            queue=queue,
            policy=policy,
            policy_refused=refused,
            held=held,
        )
        with contextlib.suppress(nats.errors.Error):
            await self.client.publish(
                subjects.FILTER_HEARTBEAT, heartbeat.model_dump_json(exclude_none=True).encode()
            )


class _Listener(connection.Listener):
    """Is called when one of the filter's connections changes."""

    def __init__(self, bus: Bus) -> None:
        super().__init__()
        self._bus = bus

    async def failed(self, error: Exception) -> None:
        if not self._bus.has_connected and _AUTHORIZATION in str(error).lower():
            # A wrong key at the start is a wrong setting; later it may be a server that is being set up anew.
            raise SettingsError("STILE_NATS_NKEY_FILE: the bus does not know this key") from error
        await super().failed(error)
