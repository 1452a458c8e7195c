"""Bounds for connections and for the head of a request (first line, headers), under uvicorn with httptools.

uvicorn bounds neither a head's size nor its time there (``h11_max_incomplete_event_size`` is h11's alone),
and its own bound of connections answers in a shape of its own.
"""

import asyncio
from typing import ClassVar

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stile_gateway.errors import InvalidHeaderError, status_of

log = structlog.get_logger(__name__)

HEAD_SECONDS = 10.0
"""For a request's head to arrive in, counted from the connection or from its first bytes."""


class BoundedHead(HttpToolsProtocol):
    """Closes connections whose head is too large or too slow, and answers what is no HTTP in JSON.

    One connection more than are allowed is closed before it is read from.
    """

    max_bytes: ClassVar[int]
    max_connections: ClassVar[int]

    @classmethod
    def of(cls, max_bytes: int, max_connections: int) -> "type[BoundedHead]":
        """Return the protocol with these bounds."""
        return type("BoundedHead", (cls,), {"max_bytes": max_bytes, "max_connections": max_connections})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Expect a head."""
        super().connection_made(transport)
        self._in_head = True
        self._unparsed = 0
        self._parsed = 0
        self._timer: asyncio.TimerHandle | None = self.loop.call_later(HEAD_SECONDS, self._too_slow)
        if len(self.connections) > self.max_connections:
            log.warning("too many connections", max_connections=self.max_connections)
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._head_is_over()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read, and hold what is read of an unfinished head against its bounds."""
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
        """Count a header; what is raised here, httptools makes an error of its own, and uvicorn a 400."""
        self._parsed += len(name) + len(value)
        if self._parsed > self.max_bytes:
            raise ValueError(self._too_large())
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Let the body come, however long it takes."""
        self._head_is_over()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what no framework can be asked to answer, in the shape of every other error."""
        self._head_is_over()
        error = InvalidHeaderError(msg)
        body = error.reply().model_dump_json(exclude_none=True).encode()
        head = (
            f"HTTP/1.1 {status_of(error)} Bad Request\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

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
