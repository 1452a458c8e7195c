"""How large a request may be: its body's bytes, and the lengths and counts in it."""

import asyncio
import contextlib
import re
import time
from typing import Annotated, Any

from pydantic import Field, ValidationError, create_model
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stile_contracts.messages import ChatMessage, ChatRequest
from stile_gateway.errors import InvalidRequestError, TooLargeError
from stile_gateway.settings import Settings

BODY_SECONDS = 20.0
BODY_BYTES_PER_SECOND = 500
"""For a body to arrive in: so long, and longer by what came at this rate (the defaults of Apache's
mod_reqtimeout)."""

_LINGER_SECONDS = 0.75
_LINGER_BYTES = 1_048_576
"""So long, and so much, of the rest of a body that is too large is thrown away before it is answered."""

_ALTERNATIVE = re.compile(r"(?:constrained-)?str$|[A-Z]|\w+\[|[\w-]+\(")
"""What pydantic puts into a location to say which of several types it tried."""


def request_model(settings: Settings) -> type[ChatRequest]:
    """Make the contract's request with this installation's limits, so that its schema shows them too."""
    turn: Any = create_model(
        "ChatMessage",
        __base__=ChatMessage,
        __doc__=ChatMessage.__doc__,
        content=(
            Annotated[str, Field(max_length=settings.max_message_chars)] | None,
            Field(None, description=ChatMessage.model_fields["content"].description),
        ),
    )
    prompt: Any = Annotated[str, Field(min_length=1, max_length=settings.max_prompt_chars)] | None
    messages: Any = Annotated[list[turn], Field(max_length=settings.max_messages)] | None
    shown = ChatRequest.model_fields["messages"].description
    return create_model(
        "ChatRequest",
        __base__=ChatRequest,
        __doc__=ChatRequest.__doc__,
        prompt=(prompt, None),
        messages=(messages, Field(None, description=shown)),
    )


def read_request(model: type[ChatRequest], body: bytes) -> ChatRequest:
    """Read a request's body.

    Raises:
        InvalidRequestError: it is no such request; ``param`` is the field at fault.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise invalid_request(error) from None


def invalid_request(error: ValidationError) -> InvalidRequestError:
    """Translate what pydantic says of a body; the first fault is told, and nothing of the body."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return InvalidRequestError("The body is not valid JSON.", param="body")
    param = _param(first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    return InvalidRequestError(f"{param}: {reason}", param=param)


def _param(location: tuple[int | str, ...]) -> str:
    """Write pydantic's location as a client would: ``messages[3].content``."""
    steps = (step for step in location if isinstance(step, int) or not _ALTERNATIVE.match(step))
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return path.removeprefix(".") or "body"


class BodyLimit:
    """ASGI middleware that bounds a body's bytes, announced or streamed, and the time in which they come.

    ``TooLargeError`` or ``InvalidRequestError`` is raised to whoever reads the body, and the connection of
    one that was not read to its end is closed behind the answer.
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
        coming = announced > 0 or "transfer-encoding" in headers
        heard = 0
        is_too_large = False
        began = time.monotonic()

        async def counted() -> Message:
            nonlocal coming, heard, is_too_large
            if announced > self._max_bytes:
                is_too_large = True
                raise self._too_large()
            if not coming:
                return await receive()
            left = BODY_SECONDS + heard / BODY_BYTES_PER_SECOND - (time.monotonic() - began)
            try:
                async with asyncio.timeout(max(left, 0)):
                    message = await receive()
            except TimeoutError:
                raise InvalidRequestError("The body came too slowly.", param="body") from None
            heard += len(message.get("body", b""))
            coming = message.get("more_body", False)
            if heard > self._max_bytes:
                is_too_large = True
                raise self._too_large()
            return message

        async def closing(message: Message) -> None:
            nonlocal coming
            if coming and message["type"] == "http.response.start":
                if is_too_large and "expect" not in headers:
                    coming = await self._still_comes(receive)
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self._app(scope, counted, closing)

    @staticmethod
    async def _still_comes(receive: Receive) -> bool:
        """Read a little on, as closing a connection on what was not read takes the answer away with it."""
        swallowed = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while swallowed < _LINGER_BYTES:
                    message = await receive()
                    if not message.get("more_body", False):
                        return False
                    swallowed += len(message["body"])
        return True

    def _too_large(self) -> TooLargeError:
        return TooLargeError(f"The body may have {self._max_bytes} bytes at the most.", param="body")
