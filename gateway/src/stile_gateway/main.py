"""The composition: settings → adapters → routes → server. Nothing is connected at import."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from importlib.metadata import version

import structlog
from fastapi import FastAPI, Request, Response
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from stile_gateway import server
from stile_gateway.access import REQUEST_ID, Access
from stile_gateway.admission import Admission
from stile_gateway.bus import NatsBus
from stile_gateway.callers import AUTHORIZATION, LANE, Callers
from stile_gateway.chat import Chat
from stile_gateway.errors import GatewayError, from_http
from stile_gateway.hosts import Hosts, is_loopback
from stile_gateway.keyring import KeyRing
from stile_gateway.limits import BodyLimit, request_model
from stile_gateway.metrics import Metrics
from stile_gateway.named_events import LAST_EVENT_ID
from stile_gateway.note import note_of
from stile_gateway.openapi import document
from stile_gateway.question import Timing
from stile_gateway.responses import ErrorResponse, NoResponse
from stile_gateway.routes import chat as chat_routes
from stile_gateway.routes import health as health_routes
from stile_gateway.routes import one as one_routes
from stile_gateway.routes import openai as openai_routes
from stile_gateway.routes import page as page_routes
from stile_gateway.routes import queue as queue_routes
from stile_gateway.routes.asking import IDEMPOTENCY_KEY, PREFER, PREFERENCE_APPLIED, TIMEOUT
from stile_gateway.settings import Settings
from stile_gateway.slots import Slots, share_of
from stile_runtime import logs
from stile_runtime.fleet import Fleet
from stile_runtime.settings import SettingsError

log = structlog.get_logger(__name__)


def main() -> None:
    """Run the gateway: exit code 0 when told to stop, 1 where it cannot start."""
    try:
        settings = Settings.load()
    except SettingsError as error:
        sys.exit(str(error))
    logs.configure(settings)
    server.raise_descriptors()
    app = create_app(settings)
    chat: Chat = app.state.chat
    if not server.run(server.make(app, settings, lambda: chat.leave(settings.shutdown_seconds))):
        sys.exit(1)


def create_app(settings: Settings) -> FastAPI:
    """Wire the application; its lifespan holds the connection to the bus."""
    metrics = Metrics()
    fleet = Fleet()
    bus = NatsBus(settings, fleet, metrics)
    timing = Timing(settings.accept_timeout, settings.answer_timeout, settings.unheard_timeout)
    chat = Chat(bus, timing, metrics, settings.max_in_flight, _body_bytes(settings))
    callers = Callers(KeyRing(settings.key_file) if settings.key_file else None)
    if not callers.need_keys and not is_loopback(settings.host):
        log.warning("no api key is asked for: whoever reaches this port may ask", host=settings.host)
    model = request_model(settings)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        running = asyncio.create_task(bus.run())
        yield
        await chat.close()
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
    app.state.chat = chat
    app.include_router(chat_routes.router(chat, callers, model))
    app.include_router(one_routes.router(chat))
    app.include_router(openai_routes.router(chat, callers, model, fleet))
    app.include_router(queue_routes.router(fleet))
    app.include_router(health_routes.router(bus, fleet, metrics))
    app.include_router(page_routes.router())
    app.openapi = document(app, model, callers)  # type: ignore[method-assign]  # FastAPI's documented way
    app.add_exception_handler(GatewayError, _answer_error)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)
    # The last one added is the outermost. What is turned away is readable across origins, and the connection
    # of a body that nobody reads is closed.
    app.add_middleware(
        Admission,
        callers=callers,
        hosts=Hosts(settings.host, settings.hosts),
        slots=Slots(server.max_in_flight(settings)),
        body_bytes=_body_bytes(settings),
    )
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=[
                *("Content-Type", IDEMPOTENCY_KEY, LANE, TIMEOUT, PREFER, LAST_EVENT_ID),
                *(REQUEST_ID, AUTHORIZATION),
            ],
            expose_headers=[REQUEST_ID, "Retry-After", "retry-after-ms", "Location", PREFERENCE_APPLIED],
        )
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(Access, metrics=metrics)
    return app


def _body_bytes(settings: Settings) -> Slots:
    """Count the bytes of bodies; one client may have one of the largest size, however small its share is."""
    share = max(settings.max_body_bytes, share_of(settings.max_held_bytes))
    return Slots(settings.max_held_bytes, share, "bytes of requests")


async def _answer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, GatewayError)  # noqa: S101 -- it is registered for these alone
    return ErrorResponse(error, note_of(request.scope))


async def _answer_nobody(request: Request, _error: Exception) -> Response:
    return NoResponse(note_of(request.scope))


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 -- it is registered for these alone
    headers = dict(error.headers or {})
    if error.status_code == 405 and (allowed := _allowed(request)):
        headers["Allow"] = ", ".join(allowed)
    return ErrorResponse(from_http(error.status_code), note_of(request.scope), headers)


def _allowed(request: Request) -> list[str]:
    """Return the methods of an address; the framework knows those of one route alone."""
    routes = request.app.router.routes
    scopes = {method: {**request.scope, "method": method} for method in ("DELETE", "GET", "HEAD", "POST")}
    return [
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] is Match.FULL for route in routes)
    ]
