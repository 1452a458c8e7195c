"""The bounds of a body: its bytes, and its time."""

import asyncio
import contextlib
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stile_gateway.errors import InvalidRequestError, TooLargeError

BODY_SECONDS = 20.0
BODY_BYTES_PER_SECOND = 500
"""How long a body may take: ``BODY_SECONDS``, and more for what has come at this rate (the defaults of
Apache's mod_reqtimeout)."""

_LINGER_SECONDS = 0.75
_LINGER_BYTES = 1_048_576
"""How long, and how much, of a body that is too large is read and dropped before the answer."""


class BodyLimit:
    """Bounds a body's bytes, announced or streamed, and the time in which they come.

    Reading the body raises ``TooLargeError`` or ``InvalidRequestError``. If a body was not read to its end,
    its connection is closed after the answer. (docs/adr/0024 says why this is not Starlette's.)

    Args:
        app: the application.
        max_bytes: of one body.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        announced = int(headers.get("content-length", "0"))
        is_coming = announced > 0 or "transfer-encoding" in headers
        received = 0
        is_too_large = False
        began = time.monotonic()

        async def counted() -> Message:
            nonlocal is_coming, received, is_too_large
            if announced > self._max_bytes:
                is_too_large = True
                raise self._too_large()
            if not is_coming:
                return await receive()
            left = BODY_SECONDS + received / BODY_BYTES_PER_SECOND - (time.monotonic() - began)
            try:
                async with asyncio.timeout(max(left, 0)):
                    message = await receive()
            except TimeoutError:
                raise InvalidRequestError("The body came too slowly.", param="body") from None
            received += len(message.get("body", b""))
            is_coming = message.get("more_body", False)
            if received > self._max_bytes:
                is_too_large = True
                raise self._too_large()
            return message

        async def closing(message: Message) -> None:
            nonlocal is_coming
            if is_coming and message["type"] == "http.response.start":
                if is_too_large and "expect" not in headers:
                    is_coming = await self._still_comes(receive)
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self._app(scope, counted, closing)

    @staticmethod
    async def _still_comes(receive: Receive) -> bool:
        """Read a little more: a connection that is closed on unread bytes loses the answer too."""
        dropped = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while dropped < _LINGER_BYTES:
                    message = await receive()
                    if not message.get("more_body", False):
                        return False
                    dropped += len(message["body"])
        return True

    def _too_large(self) -> TooLargeError:
        return TooLargeError(f"The body may have {self._max_bytes} bytes at the most.", param="body")
