"""Bounds of connections and of a request's head (first line and headers), for uvicorn with httptools.

With httptools uvicorn bounds neither a head's size nor its time, and its bound of connections answers in a
shape of its own (docs/adr/0024).
"""

import asyncio
from typing import ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from stile_gateway.dialects.base import Dialect
from stile_gateway.errors import GatewayError, InvalidHeaderError
from stile_gateway.server.connections import Connections
from stile_gateway.server.parser import UpgradeIgnoringParser

HEAD_SECONDS = 10.0
"""How long a request's head may take, counted from the connection or from its first bytes."""
MAX_AHEAD = 16
"""Requests that a connection may send before the first one is answered. Each is in memory. Browsers and the
clients of docs/clients.md send none."""


class BoundedHead(HttpToolsProtocol):
    """Closes connections whose head is too large or too slow, and answers in JSON what is not HTTP.

    A connection over the limit is answered, and closed, before anything is read from it.
    """

    max_bytes: ClassVar[int]
    register: ClassVar[Connections]
    dialect: ClassVar[Dialect]
    parser: UpgradeIgnoringParser  # type: ignore[assignment]  # in the place of httptools'

    @classmethod
    def of(cls, max_bytes: int, register: Connections, dialect: Dialect) -> "type[BoundedHead]":
        """Return the protocol with these bounds; ``dialect`` writes its errors."""
        bounds = {"max_bytes": max_bytes, "register": register, "dialect": dialect}
        return type("BoundedHead", (cls,), bounds)

    @property
    def is_sending(self) -> bool:
        """Whether it only waits for its client to receive what is not sent."""
        is_answered = self.cycle is not None and self.cycle.response_complete
        return bool(self.flow.write_paused or self.transport.is_closing() or is_answered)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Expect a head."""
        super().connection_made(transport)
        self.parser = UpgradeIgnoringParser(self)
        self._in_head = True
        self._unparsed = 0
        self._parsed = 0
        self._timer: asyncio.TimerHandle | None = self.loop.call_later(HEAD_SECONDS, self._too_slow)
        if error := self.register.open(self, self.client[0] if self.client else "unknown"):
            self._refuse(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._head_is_over()
        self.register.close(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read, and check the bounds of an unfinished head."""
        if self.transport.is_closing():
            return
        if self._in_head:
            self._unparsed += len(data)
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        if self._unparsed > self.max_bytes:
            self.send_400_response(self._too_large())
        elif self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def on_message_begin(self) -> None:
        """Expect the rest of the head."""
        super().on_message_begin()
        self._in_head = True
        self._parsed = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header. httptools wraps what is raised here, and uvicorn answers with a 400."""
        self._parsed += len(name) + len(value)
        if self._parsed > self.max_bytes:
            raise ValueError(self._too_large())
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete; the body has bounds of its own."""
        if self.parser.skips_head:
            return
        self._head_is_over()
        if not self.url.startswith(b"/"):
            self._host_is_the_targets()
        super().on_headers_complete()
        self.register.busy(self)
        if len(self.pipeline) > MAX_AHEAD:
            self.transport.abort()
            raise ValueError("too many requests ahead")  # ends the reading of what has come already

    def on_message_complete(self) -> None:
        """The request is complete, unless its head is read again."""
        if not self.parser.skips_head:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Expect another head, if its first bytes come."""
        super().on_response_complete()
        if not self.pipeline and not self.transport.is_closing():
            self._in_head = True
            self.register.idle(self)

    def send_400_response(self, msg: str) -> None:
        """Answer a request that cannot be read, in the shape of every other error."""
        self._refuse(InvalidHeaderError(msg))

    def _refuse(self, error: GatewayError) -> None:
        """Answer with ``error`` without the application, and close the connection."""
        self._head_is_over()
        if self.transport.is_closing():
            return
        answer = self.dialect.error_response(error)
        fields = [*answer.raw_headers, (b"connection", b"close")]
        head = STATUS_LINE[answer.status_code] + b"".join(b"%b: %b\r\n" % field for field in fields)
        self.transport.write(head + b"\r\n" + bytes(answer.body))
        self.transport.close()

    def _host_is_the_targets(self) -> None:
        """If the target names a host, that one counts (RFC 9112, section 3.2.2).

        Raises:
            httptools.HttpParserInvalidURLError: it is no target; uvicorn answers with a 400.
        """
        target = httptools.parse_url(self.url)
        if target.host is not None:
            host = b"[%b]" % target.host if b":" in target.host else target.host
            self.headers[:] = [field for field in self.headers if field[0] != b"host"]
            self.headers.append((b"host", host))

    def _too_large(self) -> str:
        return f"The headers may have {self.max_bytes} bytes at the most."

    def _head_is_over(self) -> None:
        self._in_head = False
        self._unparsed = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        self.transport.close()
