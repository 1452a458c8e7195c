"""The composition: settings, adapters, routes, server. Nothing is connected at import."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from importlib.metadata import version

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import Match, Route

from stile_gateway.bus import NatsBus
from stile_gateway.clients.callers import Callers
from stile_gateway.clients.keyring import KeyRing
from stile_gateway.clients.slots import Slots, share_of
from stile_gateway.conversations import NatsConversations
from stile_gateway.dialects.anthropic.api import Anthropic
from stile_gateway.dialects.base import Dialect, Dialects
from stile_gateway.dialects.completions.api import Completions
from stile_gateway.dialects.faults import invalid_input
from stile_gateway.dialects.ollama.api import Ollama
from stile_gateway.dialects.openai.api import PROCESSING_MS, OpenAI
from stile_gateway.dialects.responses.api import Responses
from stile_gateway.dialects.stile.api import Stile
from stile_gateway.errors import GatewayError, from_http
from stile_gateway.http import health, page, queue
from stile_gateway.http.answers import PREFERENCE_APPLIED, TRIMMED, NoResponse, note_error
from stile_gateway.http.dependencies import ContentLimits, Services
from stile_gateway.http.document import document
from stile_gateway.http.instrumentation import instrument
from stile_gateway.http.middleware.access import REQUEST_ID, Access
from stile_gateway.http.middleware.admission import RATE_LIMIT, Admission
from stile_gateway.http.middleware.body_limit import BodyLimit
from stile_gateway.http.middleware.compression import Decompression
from stile_gateway.http.middleware.head import HeadAsGet
from stile_gateway.http.routes import ModelRoute
from stile_gateway.metrics import Metrics
from stile_gateway.requests.conversations import Conversations
from stile_gateway.requests.request import Timing
from stile_gateway.requests.service import RequestService
from stile_gateway.server import process
from stile_gateway.settings import Settings
from stile_runtime import footprint, logs, tracing
from stile_runtime.fleet import Fleet
from stile_runtime.settings import SettingsError
from stile_runtime.web.hosts import Hosts, is_loopback

DIALECTS: tuple[Dialect, ...] = (Stile(), OpenAI(), Responses(), Completions(), Ollama(), Anthropic())
"""The gateway's APIs. The first one's errors are those of all addresses that no other has."""

log = structlog.get_logger(__name__)


def main() -> None:
    """Run the gateway: exit code 0 when it is stopped, 1 if it cannot start."""
    try:
        settings = Settings.load()
    except SettingsError as error:
        sys.exit(str(error))
    logs.configure(settings)
    process.raise_descriptors()
    end_traces = tracing.start("stile-gateway")
    app = create_app(settings)
    service: RequestService = app.state.services.requests
    server = process.make(app, settings, DIALECTS[0], lambda: service.leave(settings.shutdown_seconds))
    is_stopped = process.run(server)
    end_traces()
    if not is_stopped:
        sys.exit(1)


def create_app(settings: Settings, dialects: Sequence[Dialect] = DIALECTS) -> FastAPI:
    """Wire the application; its lifespan holds the connection to the bus."""
    apis = Dialects(dialects)
    services = _services(settings)
    if not services.callers.need_keys and not is_loopback(settings.host):
        log.warning("no api key is asked for: any client of this port may ask", host=settings.host)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        running = asyncio.create_task(services.bus.run())
        footprint.settle()
        yield
        await services.requests.close()
        while not running.done():  # nats-py swallows a cancellation that meets it in a flush
            running.cancel()
            await asyncio.wait([running], timeout=1)

    app = FastAPIOffline(
        title="Stile",
        description="A small language model behind a filter, one request at a time.",
        version=version("stile-gateway"),
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.services = services
    others = (queue.router, health.router, page.router(page.read_page(), _request_limits(settings)))
    routes = [route for router in (*(one.router() for one in dialects), *others) for route in router.routes]
    # Not by include_router: FastAPI would try each router, and in it each route, for every request.
    # Those that ask the model come first.
    app.router.routes += sorted(routes, key=lambda route: not isinstance(route, ModelRoute))
    app.openapi = document(app, apis, services.callers)  # type: ignore[method-assign]  # FastAPI's documented way
    _answer_errors(app, apis)
    app.add_middleware(HeadAsGet)
    # The last one added is the outermost. What is refused is readable across origins, and the connection of a
    # body that is not read is closed.
    app.add_middleware(
        Admission,
        callers=services.callers,
        hosts=Hosts(settings.host, settings.hosts),
        slots=Slots(process.max_in_flight(settings)),
        body_bytes=_body_bytes(settings),
        dialects=apis,
    )
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST", "DELETE"],
            # Clients add headers of their own (x-stainless-…, traceparent); who may send any is the origin's
            # matter, and no cookie is ever read.
            allow_headers=["*"],
            expose_headers=[
                *(REQUEST_ID, "Retry-After", "retry-after-ms", "Location", PREFERENCE_APPLIED, TRIMMED),
                *RATE_LIMIT,
                *(PROCESSING_MS, "x-should-retry", "Accept-Encoding"),
            ],
        )
    app.add_middleware(Decompression, max_bytes=settings.max_body_bytes)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(Access, metrics=services.metrics, dialects=apis)
    if tracing.is_wanted():
        instrument(app)
    return app


def _services(settings: Settings) -> Services:
    metrics, fleet = Metrics(), Fleet()
    bus = NatsBus(settings, fleet, metrics)
    timing = Timing(settings.accept_timeout, settings.answer_timeout, settings.unheard_timeout)
    return Services(
        requests=RequestService(bus, timing, metrics, settings.max_in_flight, _body_bytes(settings)),
        conversations=Conversations(NatsConversations(bus)),
        callers=Callers(KeyRing(settings.key_file) if settings.key_file else None),
        limits=ContentLimits(settings.max_prompt_chars, settings.max_message_chars, settings.max_messages),
        fleet=fleet,
        bus=bus,
        metrics=metrics,
    )


def _request_limits(settings: Settings) -> dict[str, int | None]:
    return {"body_bytes": settings.max_body_bytes, "question_chars": settings.max_prompt_chars}


def _body_bytes(settings: Settings) -> Slots:
    """Count the bytes of bodies; one client may have one of the largest size, however small its share is."""
    share = max(settings.max_body_bytes, share_of(settings.max_held_bytes))
    return Slots(settings.max_held_bytes, share, "bytes of requests")


def _answer_errors(app: FastAPI, dialects: Dialects) -> None:
    """Answer every error in the shape of the address's dialect."""
    addresses = sorted(
        {
            route.path
            for dialect in dialects.all
            for route in dialect.router().routes
            if isinstance(route, Route) and route.include_in_schema and "{" not in route.path
        }
    )

    async def response(request: Request, error: Exception) -> Response:
        headers: dict[str, str] = {}
        match error:
            case GatewayError():
                known = error
            case RequestValidationError():
                known = invalid_input(error)
            case HTTPException():
                known = from_http(error.status_code, addresses)
                headers = dict(error.headers or {})
                if error.status_code == 405 and (allowed := _allowed(request)):
                    headers["Allow"] = ", ".join(allowed)
            case _:  # the client disconnected
                return NoResponse()
        note_error(known)
        return dialects.of(request.url.path).error_response(known, headers)

    for kind in (GatewayError, RequestValidationError, HTTPException, ClientDisconnect):
        app.add_exception_handler(kind, response)


def _allowed(request: Request) -> list[str]:
    """Return the methods of an address: Starlette names those of its first route alone."""
    routes = request.app.router.routes
    scopes = {method: {**request.scope, "method": method} for method in ("DELETE", "GET", "POST")}
    allowed = [
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] is Match.FULL for route in routes)
    ]
    return sorted({*allowed, "HEAD"}) if "GET" in allowed else allowed
