"""One log line, one count and one ``X-Request-Id`` for each HTTP request, as pure ASGI middleware."""

import re
import time

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stile_contracts.ids import new_id
from stile_gateway.errors import InternalError
from stile_gateway.metrics import Metrics
from stile_gateway.note import CLIENT_GONE, PROBES, Dialect, Note
from stile_gateway.responses import ErrorResponse

REQUEST_ID = "X-Request-Id"
PROCESSING_MS = "openai-processing-ms"
"""What OpenAI's answers carry: milliseconds until the first byte."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=~-]{1,128}")

log = structlog.get_logger(__name__)


class Access:
    """The outermost of the gateway's own layers: nothing below it ends without a line in the log.

    Args:
        app: what answers.
        metrics: what is counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        note = Note(_request_id(scope), dialect=Dialect.of(scope["path"]))
        note.pin_to(scope)
        began = time.perf_counter()

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                note.status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = note.request_id
                if note.dialect is Dialect.OPENAI:
                    headers[PROCESSING_MS] = str(round((time.perf_counter() - began) * 1000))
            await send(message)

        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, noted)
        except Exception:
            log.exception("request failed", request_id=note.request_id, chat_id=note.chat_id)
            if note.status != CLIENT_GONE:
                raise
            await ErrorResponse(InternalError("Something went wrong in the gateway."), note)(
                scope, receive, noted
            )
        finally:
            self._metrics.in_flight.dec()
            self._tell(scope, note, time.perf_counter() - began)

    def _tell(self, scope: Scope, note: Note, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        self._metrics.requests.labels(route, note.status, note.code).inc()
        tell = log.debug if route in PROBES else log.info  # so that chats stand out
        tell(
            "request",
            method=scope["method"],
            route=route,
            status=note.status,
            code=note.code,
            ms=round(seconds * 1000, 2),
            chat_id=note.chat_id,
            request_id=note.request_id,
        )


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text = value.decode("latin-1")
            if _REQUEST_ID.fullmatch(text):
                return str(text)
    return str(new_id())
