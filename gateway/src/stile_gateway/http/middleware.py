"""The ASGI middleware of all requests: the access log, the bounds of bodies, and who is let in."""

import asyncio
import contextlib
import re
import time
from contextlib import ExitStack

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

from stile_contracts import subjects
from stile_contracts.ids import new_id
from stile_gateway.clients.callers import Caller, Callers
from stile_gateway.clients.slots import Slots
from stile_gateway.dialects.base import Dialects
from stile_gateway.errors import (
    GatewayError,
    InternalError,
    InvalidApiKeyError,
    InvalidHeaderError,
    InvalidRequestError,
    TooLargeError,
)
from stile_gateway.metrics import Metrics
from stile_runtime.web.hosts import HOST, Hosts

REQUEST_ID = "X-Request-Id"
CLIENT_GONE_STATUS = 499
"""The status in logs and metrics if the client left before an answer (nginx's convention)."""
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""The addresses that monitoring asks every few seconds."""
BODY_SECONDS = 20.0
BODY_BYTES_PER_SECOND = 500
"""How long a body may take: ``BODY_SECONDS``, and more for what has come at this rate (the defaults of
Apache's mod_reqtimeout)."""

_LINGER_SECONDS = 0.75
_LINGER_BYTES = 1_048_576
"""How long, and how much, of a body that is too large is read and dropped before the answer."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=~-]{1,128}")
_CALLER = "stile.caller"

log = structlog.get_logger(__name__)


class Access:
    """The outermost layer: one log line, one count and one ``X-Request-Id`` for each HTTP request.

    The inner layers set ``chat_id``, and a ``code`` if the request did not end ``ok``, by structlog's context
    variables.

    Args:
        app: the application.
        metrics: what is counted.
        dialects: the shapes of errors.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, dialects: Dialects) -> None:
        self._app = app
        self._metrics = metrics
        self._dialects = dialects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        clear_contextvars()  # a connection's later requests begin with what an earlier one has left
        request_id = _request_id(scope)
        bind_contextvars(request_id=request_id)
        dialect = self._dialects.of(scope["path"])
        status = CLIENT_GONE_STATUS
        began = time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                headers.update(dialect.answer_headers(time.perf_counter() - began))
            await send(message)

        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, noted)
        except Exception:
            log.exception("request failed")
            if status != CLIENT_GONE_STATUS:
                raise
            error = InternalError("Something went wrong in the gateway.")
            bind_contextvars(code=error.code)
            await dialect.error_response(error)(scope, receive, noted)
        finally:
            self._metrics.in_flight.dec()
            self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        context = get_contextvars()
        code = context.get("code", "ok")
        self._metrics.requests.labels(route, status, code).inc()
        note = log.debug if route in PROBES else log.info  # so that chats stand out
        note(
            "request",
            method=scope["method"],
            route=route,
            status=status,
            code=code,
            ms=round(seconds * 1000, 2),
            chat_id=context.get("chat_id"),
        )


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


class Admission:
    """Refuses requests before their body is read, and gives each other one a slot of its client's.

    ``PROBES`` need no slot and no name: monitoring is answered even if all slots are taken. They read no
    body and wait for nothing.

    Args:
        app: the application.
        callers: the clients, and what each may have.
        hosts: the names that requests without API keys may use.
        slots: for the requests.
        body_bytes: the bytes of their bodies, which are in memory until they are answered.
        dialects: the shapes of errors.
    """

    def __init__(  # noqa: PLR0913 -- each is one thing
        self,
        app: ASGIApp,
        *,
        callers: Callers,
        hosts: Hosts,
        slots: Slots,
        body_bytes: Slots,
        dialects: Dialects,
    ) -> None:
        self._app = app
        self._callers = callers
        self._hosts = hosts
        self._slots = slots
        self._body_bytes = body_bytes
        self._dialects = dialects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        with ExitStack() as held:
            try:
                client = self._admit(scope, held)
            except GatewayError as error:
                bind_contextvars(code=error.code)
                await self._dialects.of(scope["path"]).error_response(error)(scope, receive, send)
                return

            async def last(message: Message) -> None:
                await send(message)
                if message["type"] == "http.response.body" and not message.get("more_body", False):
                    # A client that has the whole answer may ask again at once.
                    held.close()

            await self._app(scope, self._counted(client, held, receive), last)

    def _counted(self, client: str, held: ExitStack, receive: Receive) -> Receive:
        """Return ``receive`` with the body's bytes counted for ``client``, until ``held`` ends."""
        came = 0
        is_over = False

        def give() -> None:
            nonlocal is_over
            is_over = True
            self._body_bytes.give(client, came)

        held.callback(give)

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            if not is_over and (body := message.get("body")):
                self._body_bytes.take(client, len(body))
                came += len(body)
            return message

        return counted

    def _admit(self, scope: Scope, held: ExitStack) -> str:
        headers = Headers(scope=scope)
        if not self._callers.need_keys and not self._hosts.are_own(headers.getlist(HOST)):
            raise InvalidHeaderError(
                "This name is not one of this machine's: set STILE_HOSTS to it, or ask for API keys.",
                param=HOST,
            )
        peer = scope["client"][0] if scope["client"] else "unknown"
        try:
            caller = self._callers.identify(headers, peer)
        except InvalidApiKeyError as error:
            # Some addresses need no key: the error is raised to those that read the caller.
            scope[_CALLER] = error
            nobody = f"{subjects.http_client(peer)} without a key"
            held.enter_context(self._slots.taken(nobody))
            return nobody
        scope[_CALLER] = caller
        if _may_last(scope):
            held.enter_context(self._callers.at_once(caller))
        held.enter_context(self._slots.taken(caller.client))
        return caller.client


def caller_of(scope: Scope) -> Caller:
    """Return the client of a request.

    Raises:
        InvalidApiKeyError: keys are asked for, and the client has sent no known one.
    """
    caller: Caller | InvalidApiKeyError = scope[_CALLER]
    if isinstance(caller, InvalidApiKeyError):
        raise caller
    return caller


def _may_last(scope: Scope) -> bool:
    """Tell whether the request asks or follows. A key that may do one at a time can still cancel it."""
    method, path = str(scope["method"]), str(scope["path"])
    if method == "POST":
        return not path.endswith("/cancel")
    return method == "GET" and path.startswith(("/chat/", "/v1/chat/", "/v1/responses/"))


def _request_id(scope: Scope) -> str:
    sent = Headers(scope=scope).get(REQUEST_ID, "")
    return sent if _REQUEST_ID.fullmatch(sent) else str(new_id())
