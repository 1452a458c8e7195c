"""The access log, the count of requests, and their ids."""

import re
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

from stile_contracts.ids import new_id
from stile_gateway.dialects.base import Dialects
from stile_gateway.errors import InternalError
from stile_gateway.http.middleware.admission import PROBES
from stile_gateway.metrics import Metrics

REQUEST_ID = "X-Request-Id"
CLIENT_GONE_STATUS = 499
"""The status in logs and metrics if the client left before an answer (nginx's convention)."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=~-]{1,128}")

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


def _request_id(scope: Scope) -> str:
    sent = Headers(scope=scope).get(REQUEST_ID, "")
    return sent if _REQUEST_ID.fullmatch(sent) else str(new_id())
