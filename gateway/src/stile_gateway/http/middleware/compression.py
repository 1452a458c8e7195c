"""Bodies that are compressed, read in steps, so that none takes more memory than one that is not."""

import zlib
from collections.abc import Iterator
from typing import Protocol

import zstandard
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stile_gateway.errors import InvalidRequestError, TooLargeError

TAKEN = ("gzip", "zstd")
_NAMES = {"gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd"}
"""RFC 9110, section 8.4.1.3, has the older name too."""
_STEP = 65536
_GZIP = 16 + zlib.MAX_WBITS
_ZSTD_SLICE = 16
"""Bytes that zstd is fed at a time: a block of 4 bytes may stand for 128 KiB, and its output is not bounded
otherwise."""
_ZSTD_WINDOW = 8 * 1024 * 1024
"""What every decoder must take (RFC 8878, section 3.1.1.1.2)."""


class Decoder(Protocol):
    """Decodes one body."""

    is_over: bool
    """Whether what came so far is whole."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what ``data`` stands for, in bounded pieces.

        Raises:
            zlib.error: it is not gzip.
            zstandard.ZstdError: it is not zstd.
        """
        ...


def encoding_of(headers: Headers) -> str | None:
    """Return how the body is encoded: one of ``TAKEN``, or "" if it is not, or None if it is not known."""
    names = [
        name.strip().lower() for value in headers.getlist("content-encoding") for name in value.split(",")
    ]
    match [name for name in names if name]:
        case [] | ["identity"]:
            return ""
        case [name]:
            return _NAMES.get(name)
    return None


class Decompression:
    """Decodes bodies; what they hold is bounded as one that is not compressed.

    Reading the body raises ``TooLargeError`` or ``InvalidRequestError``.

    Args:
        app: the application.
        max_bytes: of one decoded body.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body decoded."""
        encoding = encoding_of(Headers(scope=scope)) if scope["type"] == "http" else ""
        if encoding:
            receive = _Decoded(receive, encoding, self._max_bytes)
        await self._app(scope, receive, send)


class _Decoded:
    """Receives a body decoded, a bounded piece at a time."""

    def __init__(self, receive: Receive, encoding: str, max_bytes: int) -> None:
        self._receive = receive
        self._encoding = encoding
        self._decoder: Decoder = _Gzip() if encoding == "gzip" else _Zstd()
        self._max_bytes = max_bytes
        self._bytes = 0
        self._pieces: Iterator[bytes] = iter(())
        self._more = True
        self._is_last = False

    async def __call__(self) -> Message:
        while self._more:
            if (piece := self._next()) is not None:
                return {"type": "http.request", "body": piece, "more_body": True}
            if self._is_last:
                self._more = False
                if not self._decoder.is_over:
                    raise self._fault(f"The body ends before its {self._encoding} does.")
                return {"type": "http.request", "body": b"", "more_body": False}
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            self._pieces = self._decoder.feed(message.get("body", b""))
            self._is_last = not message.get("more_body", False)
        return await self._receive()

    def _next(self) -> bytes | None:
        """Return the next piece of what has come; None if that is used up."""
        try:
            piece = next(self._pieces, None)
        except (zlib.error, zstandard.ZstdError):
            raise self._fault(f"The body is not {self._encoding}.") from None
        self._bytes += len(piece or b"")
        if self._bytes > self._max_bytes:
            self._more = False
            limit = f"The body may have {self._max_bytes} bytes at the most, decompressed."
            raise TooLargeError(limit, param="body")
        return piece

    def _fault(self, text: str) -> InvalidRequestError:
        self._more = False
        return InvalidRequestError(text, param="body")


class _Gzip:
    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(_GZIP)
        self.is_over = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._decoder.eof:  # another member follows (RFC 1952, section 2.2)
                self._decoder = zlib.decompressobj(_GZIP)
            if piece := self._decoder.decompress(data, _STEP):
                yield piece
            data = self._decoder.unconsumed_tail or self._decoder.unused_data
            self.is_over = self._decoder.eof


class _Zstd:
    def __init__(self) -> None:
        self._decoder = _zstd()
        self.is_over = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _ZSTD_SLICE):
            rest = data[start : start + _ZSTD_SLICE]
            while rest:
                if self._decoder.eof:  # another frame follows (RFC 8878, section 3.1)
                    self._decoder = _zstd()
                if piece := self._decoder.decompress(rest):
                    yield piece
                rest = self._decoder.unused_data if self._decoder.eof else b""
                self.is_over = self._decoder.eof


def _zstd() -> "zstandard.ZstdDecompressionObj":
    return zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
