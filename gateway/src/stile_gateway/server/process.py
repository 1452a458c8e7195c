"""uvicorn as the gateway runs it: bounded heads, errors in the one shape, an end that loses nobody."""

import resource
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

import uvicorn
from fastapi import FastAPI

from stile_gateway.dialects.base import Dialect
from stile_gateway.server.connections import STALL_SECONDS, Connections, trust
from stile_gateway.server.protocol import BoundedHead
from stile_gateway.settings import Settings

IDLE_CONNECTIONS = 100
EVERY_ADDRESS = "::"
"""What listens on both families. uvloop then binds one socket for each, as IPv6's takes no IPv4 by itself."""
BACKLOG = 512
"""Connections that the system accepts before the gateway does; as many may come at once."""
OWN_DESCRIPTORS = 64
"""Reserved for the bus, the logs and the event loop."""
_TICKS_PER_SECOND = 10
"""Of uvicorn's main loop."""

GRACE_SECONDS = 5.0
"""For the last answers to be written, after their requests have been given up."""


class Server(uvicorn.Server):
    """Tells the application that the server stops, before it waits for the last answers."""

    def __init__(self, config: uvicorn.Config, leave: Callable[[], None], register: Connections) -> None:
        super().__init__(config)
        self._leave = leave
        self._register = register

    async def on_tick(self, counter: int) -> bool:
        """Close stalled connections from time to time."""
        if counter % (STALL_SECONDS * _TICKS_PER_SECOND) == 0:
            self._register.close_stalled()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing more, and finish the requests in flight."""
        self._leave()
        await super().shutdown(sockets)


def make(app: FastAPI, settings: Settings, dialect: Dialect, leave: Callable[[], None]) -> Server:
    """Make the server of ``app``.

    Args:
        app: what answers.
        settings: its bounds.
        dialect: writes the errors of requests that cannot be read.
        leave: called once, when the server is stopped.
    """
    register = Connections(max_connections(settings), trust(settings.trusted_proxies))
    options: dict[str, Any] = {}
    if settings.trusted_proxies:
        options = {"proxy_headers": True, "forwarded_allow_ips": list(settings.trusted_proxies)}
    else:
        options = {"proxy_headers": False}
    config = uvicorn.Config(
        app,
        # uvicorn hands it to the event loop, for which None is every address.
        host=None if settings.host == EVERY_ADDRESS else settings.host,  # type: ignore[arg-type]
        port=settings.port,
        loop="uvloop",
        http=BoundedHead.of(settings.max_header_bytes, register, dialect),
        ws="none",
        lifespan="on",
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=int(settings.shutdown_seconds + GRACE_SECONDS),
        **options,
    )
    return Server(config, leave, register)


def raise_descriptors() -> None:
    """Let the process open as many files as the system allows it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def max_connections(settings: Settings) -> int:
    """Return how many connections may be open: the requests', idle ones, and within the system's limit.

    A process without a free descriptor can neither accept a connection nor reconnect to the bus.
    """
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * settings.max_in_flight + IDLE_CONNECTIONS
    if descriptors == resource.RLIM_INFINITY:
        return wanted
    return max(IDLE_CONNECTIONS, min(wanted, descriptors - OWN_DESCRIPTORS - BACKLOG))


def max_in_flight(settings: Settings) -> int:
    """Return how many requests may be answered at once: some connections are left for monitoring."""
    return min(settings.max_in_flight, max(1, max_connections(settings) - IDLE_CONNECTIONS))


def run(server: Server) -> bool:
    """Serve until SIGTERM or SIGINT; return whether the server had started."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave_quietly)  # uvicorn raises what it caught once more when it is done
    try:
        server.run()
    except SystemExit as end:
        return end.code == 0
    return server.started


def _leave_quietly(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
