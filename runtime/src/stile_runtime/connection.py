"""Connecting to NATS with nats-py: a service keeps its connection up, a command makes one short one.

nats-py believes a server that says it speaks no TLS, so somebody between the two could have the
connection go on in plain text. With ``tls_handshake_first`` the server is not asked; it is set
whenever there is TLS.
"""

import time
from collections.abc import Callable
from typing import Any

import nats
import structlog
from nats.aio.client import Client

from stile_runtime.login import Login as Login  # noqa: PLC0414 -- importers of this module have it too

RECONNECT_SECONDS = 0.5
"""Between two attempts to come back."""
PING_SECONDS = 10
CONNECT_SECONDS = 5
"""For one attempt, TLS included."""
QUIET_SECONDS = 10.0
"""Between two log lines of one kind of error, while it lasts."""

_COMMAND_TRIES = 2
"""nats-py tries a server that refuses connections sixty times, two seconds apart, whatever `allow_reconnect`
says: two minutes are too long to learn that nothing runs."""

log = structlog.get_logger(__name__)


class Listener:
    """Is called when a service's connection changes, and logs it in the same words in every service.

    A service derives its own and calls these methods from it.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._logged: dict[str, float] = {}
        """When an error was logged last, by its kind."""

    async def connected(self) -> None:
        """The service calls this itself, once its subscriptions are made."""
        log.info("bus_connected")

    async def disconnected(self) -> None:
        """The connection is lost, or was closed."""
        log.warning("bus_disconnected")

    async def reconnected(self) -> None:
        """nats-py has come back by itself, with all subscriptions."""
        self._logged.clear()
        log.info("bus_reconnected")

    async def closed(self) -> None:
        """nats-py does not come back by itself any more."""

    async def failed(self, error: Exception) -> None:
        """Log an error of the connection, but not the same kind again and again."""
        kind, now = type(error).__name__, self._clock()
        if now - self._logged.get(kind, float("-inf")) >= QUIET_SECONDS:
            self._logged[kind] = now
            log.warning("bus_error", error=kind, reason=str(error) or kind)


def service_options(login: Login, name: str, listener: Listener) -> dict[str, Any]:
    """Return what nats-py's ``connect`` takes for a connection that is kept up.

    Args:
        login: where to connect, and as which user.
        name: of the connection, as nats-server shows it.
        listener: is called when the connection changes.
    """
    return {
        **_options(login),
        "name": name,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": RECONNECT_SECONDS,
        "ping_interval": PING_SECONDS,
        "error_cb": listener.failed,
        "disconnected_cb": listener.disconnected,
        "reconnected_cb": listener.reconnected,
        "closed_cb": listener.closed,
    }


async def connect(login: Login, name: str) -> Client:
    """Make a command's short connection: it does not wait for a server that is away.

    Raises:
        OSError: no server is there, or the seed's file can't be read.
        nats.errors.Error: the server does not let the user in, or does not answer.
    """
    return await nats.connect(
        **_options(login),
        name=name,
        allow_reconnect=False,
        max_reconnect_attempts=_COMMAND_TRIES,
        reconnect_time_wait=1,
    )


def _options(login: Login) -> dict[str, Any]:
    return {
        "servers": [url.strip() for url in login.url.split(",")],
        "nkeys_seed": str(login.seed) if login.seed else None,
        "inbox_prefix": login.inbox,
        "connect_timeout": CONNECT_SECONDS,
        "tls": login.tls,
        "tls_handshake_first": login.tls is not None,
    }
