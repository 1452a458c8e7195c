"""The composition: settings, adapters, routes, server. Nothing is connected at import."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from importlib.metadata import version
from types import FrameType
from typing import NoReturn

import structlog
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from stile_console.access.gate import Gate
from stile_console.access.owners import Owners
from stile_console.access.sessions import Sessions
from stile_console.bus import NatsBus
from stile_console.errors import ConsoleError, InvalidError, NotFoundError
from stile_console.history.records import Records
from stile_console.http import health, history, now, page, people, policy, session
from stile_console.http.answers import SafeHeaders, error_response
from stile_console.http.dependencies import Services
from stile_console.policies.file import PolicyFile
from stile_console.policies.filter import Policies
from stile_console.settings import Settings
from stile_runtime import footprint, logs
from stile_runtime.api_keys import KeyFileError
from stile_runtime.fleet import Fleet
from stile_runtime.settings import SettingsError
from stile_runtime.web.hosts import Hosts, is_loopback

SHUTDOWN_SECONDS = 5
MOST_CONNECTIONS = 100
"""A page has a handful."""

log = structlog.get_logger(__name__)


def main() -> None:
    """Run the console: exit code 0 when it is stopped, 1 if it cannot start."""
    try:
        settings = Settings.load()
    except SettingsError as error:
        sys.exit(str(error))
    logs.configure(settings)
    try:
        app = create_app(settings)
    except KeyFileError as error:
        sys.exit(f"{settings.key_file}: {error}")
    if not is_loopback(settings.console_host):
        log.warning("console_not_on_loopback", host=settings.console_host)
    config = uvicorn.Config(
        app,
        host=settings.console_host,
        port=settings.console_port,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="on",
        limit_concurrency=MOST_CONNECTIONS,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    server = uvicorn.Server(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave_quietly)  # when it is done, uvicorn raises the signal that it caught
    server.run()
    if not server.started:
        sys.exit(1)


def _leave_quietly(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def create_app(settings: Settings) -> FastAPI:
    """Wire the application; its lifespan holds the connection to the bus.

    Raises:
        KeyFileError: the file of API keys is there and can't be read, or holds no keys.
    """
    fleet, records = Fleet(), Records()
    owners = Owners(settings.key_file)
    bus = NatsBus(settings, fleet, records)
    services = Services(
        settings=settings,
        bus=bus,
        fleet=fleet,
        sessions=Sessions(owners.is_owner),
        owners=owners,
        records=records,
        policies=Policies(bus, fleet, PolicyFile(settings.policy, settings.policy_target)),
    )

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        running = asyncio.create_task(services.bus.run())
        footprint.settle()
        yield
        while not running.done():  # nats-py swallows a cancellation that meets it in a flush
            running.cancel()
            await asyncio.wait([running], timeout=1)

    app = FastAPI(
        title="Stile's console",
        version=version("stile-console"),
        lifespan=lifespan,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.services = services
    for routes in (session, now, history, people, policy, health):
        app.include_router(routes.router)
    app.include_router(page.router())
    _answer_errors(app)
    # The last one added is the outermost.
    app.add_middleware(
        Gate,
        hosts=Hosts(settings.console_host, settings.console_hosts),
        sessions=services.sessions,
        owners=owners,
    )
    app.add_middleware(SafeHeaders)
    return app


def _answer_errors(app: FastAPI) -> None:
    async def response(_request: Request, error: Exception) -> Response:
        match error:
            case ConsoleError():
                return error_response(error)
            case RequestValidationError():
                first = error.errors()[0]
                where = ".".join(str(step) for step in first["loc"] if step != "body")
                return error_response(InvalidError(f"{where}: {first['msg']}" if where else first["msg"]))
            case HTTPException(status_code=400):
                return error_response(InvalidError("The body can't be read. Send JSON in UTF-8."))
        return error_response(NotFoundError("There is no such address."))

    for kind in (ConsoleError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, response)
