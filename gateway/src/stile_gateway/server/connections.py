"""The open connections: a number in all, and at most an eighth of it for one address."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Protocol

import structlog

from stile_contracts import subjects
from stile_gateway.clients.slots import RETRY_SECONDS, share_of
from stile_gateway.errors import ClientLimitError, GatewayError, TooManyWaitingError

STALL_SECONDS = 20.0
"""Between two looks at what is not sent. A client that has received nothing in between is disconnected."""
_LOG_SECONDS = 10.0
"""Between two log lines about connections that were closed to make room: a flood must not fill the log."""

log = structlog.get_logger(__name__)


class Connection(Protocol):
    """One connection."""

    transport: asyncio.Transport

    @property
    def is_sending(self) -> bool:
        """Whether it only waits for its client to receive what is not sent."""


@dataclass(slots=True)
class _Address:
    """One address's connections."""

    open: int = 0
    idle: dict[Connection, None] = field(default_factory=dict)
    """Those without a request, the longest idle one first."""


class Connections:
    """Bounds them. If there is no room, the connection that has been idle for the longest time is closed.

    Args:
        total: connections at once.
        is_trusted: whether an address is a proxy's, whose connections belong to its clients.
        clock: seconds, monotonic.
    """

    def __init__(
        self, total: int, is_trusted: Callable[[str], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = total
        self._share = share_of(total)
        self._is_trusted = is_trusted
        self._clock = clock
        self._addresses: dict[str, _Address] = {}
        self._open: dict[Connection, str] = {}
        self._unsent: dict[Connection, int] = {}
        self._closed_for_room = 0
        self._logged_at = -_LOG_SECONDS

    def open(self, connection: Connection, peer: str) -> GatewayError | None:
        """Count a new one, which is idle; return why there is no room for it.

        Args:
            connection: the new one.
            peer: the address that it comes from.
        """
        name = subjects.http_client(peer)
        own = self._addresses.get(name, _Address())
        if own.open >= self._share and not self._is_trusted(peer):
            if not self._make_room(own):
                return ClientLimitError(
                    "Too many connections of this address are open here; close some.",
                    retry_after=RETRY_SECONDS,
                )
        elif len(self._open) >= self._total:
            greediest = max(self._addresses.values(), key=lambda address: len(address.idle))
            if not self._make_room(greediest):
                return TooManyWaitingError("Too many connections are open here.", retry_after=RETRY_SECONDS)
        own = self._addresses.setdefault(name, _Address())
        own.open += 1
        own.idle[connection] = None
        self._open[connection] = name
        return None

    def close(self, connection: Connection) -> None:
        """Forget one that is closed, or was never counted."""
        self._unsent.pop(connection, None)
        name = self._open.pop(connection, None)
        if name is None:
            return
        address = self._addresses[name]
        address.open -= 1
        address.idle.pop(connection, None)
        if not address.open:
            del self._addresses[name]

    def busy(self, connection: Connection) -> None:
        """Note that a request is answered on it from now on."""
        if name := self._open.get(connection):
            self._addresses[name].idle.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        """Note that no request is answered on it any more."""
        if name := self._open.get(connection):
            self._addresses[name].idle[connection] = None

    def close_stalled(self) -> None:
        """Close those whose clients have received nothing since the last look, ``STALL_SECONDS`` ago."""
        before, self._unsent = self._unsent, {}
        for connection in list(self._open):
            unsent = connection.transport.get_write_buffer_size() if connection.is_sending else 0
            if not unsent:
                continue
            if unsent < before.get(connection, unsent + 1):
                self._unsent[connection] = unsent
                continue
            log.info("connection stalled", unsent_bytes=unsent)
            connection.transport.abort()

    def _make_room(self, address: _Address) -> bool:
        """Close the longest idle one of ``address``, if there is any."""
        longest = next(iter(address.idle), None)
        self._log()
        if longest is None:
            return False
        self.close(longest)
        longest.transport.abort()
        return True

    def _log(self) -> None:
        self._closed_for_room += 1
        now = self._clock()
        if now - self._logged_at >= _LOG_SECONDS:
            log.warning("too many connections", closed=self._closed_for_room, max_connections=self._total)
            self._closed_for_room, self._logged_at = 0, now


def trust(proxies: Iterable[str]) -> Callable[[str], bool]:
    """Return a function that tells whether an address is one of ``proxies`` (``STILE_TRUSTED_PROXIES``)."""
    named = set(proxies)
    networks = [ip_network(proxy) for proxy in named - {"*"}]

    def is_trusted(peer: str) -> bool:
        if "*" in named:
            return True
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in networks)

    return is_trusted
