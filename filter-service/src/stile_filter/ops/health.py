"""Health and metrics over HTTP, for whoever looks after the service; off unless a port is set.

The standard library's server in a thread: it answers a probe every few seconds, and costs no megabyte.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

LOOP_STALLED_SECONDS = 10.0
"""A service whose event loop has not turned for so long does not live."""

_CLIENT_SECONDS = 5


class Health:
    """What the probes are told.

    Args:
        unready: why the service can't decide now, or None if it can.
        detail: what needs the owner's attention although the filter can decide.
        layers: which layers are on, a line each; they follow the ``ok`` of ``/readyz``.
    """

    def __init__(
        self,
        unready: Callable[[], str | None],
        detail: Callable[[], str | None] = lambda: None,
        layers: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self.unready = unready
        self.detail = detail
        self.layers = layers
        self._turned = time.monotonic()

    def turned(self) -> None:
        """Note that the event loop has turned."""
        self._turned = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether the event loop turns."""
        return time.monotonic() - self._turned < LOOP_STALLED_SECONDS


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Requests(WSGIRequestHandler):
    timeout = _CLIENT_SECONDS  # a client that says nothing holds its thread no longer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
        """Log nothing: probes come every few seconds."""


class HealthServer:
    """Serves ``/healthz``, ``/readyz`` and ``/metrics``.

    Args:
        host: the address to listen on.
        port: the TCP port.
        health: what the probes are told.
        registry: the metrics.

    Raises:
        OSError: the address is taken.
    """

    def __init__(self, host: str, port: int, health: Health, registry: CollectorRegistry) -> None:
        self._health = health
        self._metrics = make_wsgi_app(registry)
        self._server = make_server(host, port, self._answer, server_class=_Server, handler_class=_Requests)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True, name="health")
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        detail = None
        match environ.get("PATH_INFO"):
            case "/healthz":
                reason = None if self._health.alive else "the event loop does not turn"
            case "/readyz":
                reason = self._health.unready()
                detail = self._health.detail()
            case "/metrics":
                metrics: Iterable[bytes] = self._metrics(environ, start_response)
                return metrics
            case _:
                start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
                return [b"not found\n"]
        status = "503 Service Unavailable" if reason else "200 OK"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        is_readiness = environ.get("PATH_INFO") == "/readyz" and reason is None
        layers = self._health.layers() if is_readiness else ()
        lines = [reason or "ok", *([detail] if detail else []), *layers]
        return ["".join(f"{line}\n" for line in lines).encode()]
