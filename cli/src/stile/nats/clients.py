"""Direct clients: programs that send requests over NATS, each in an account of its own."""

import asyncio
import os
import signal
import time
from pathlib import Path

import nats.errors

from stile.errors import BusError, StileError
from stile.home import Home
from stile.keys import credentials
from stile.nats import connection
from stile.settings import Settings
from stile_contracts import subjects
from stile_runtime.installation import state
from stile_runtime.settings import SettingsError

_TAKEN = ("APP", "SYS", subjects.GATEWAY)
"""Accounts of nats/accounts.conf, and the origin of requests that come over HTTP."""
_INTRODUCED_WITHIN = 10.0
_RELOAD_SECONDS = 0.2


def make(home: Home, name: str) -> None:
    """Make the client's seed.

    Raises:
        SettingsError: no client may have this name, or one has it already.
    """
    seed = credentials.seed_file(home.clients, name)
    if not subjects.is_token(name):
        raise SettingsError(f"{name!r} is no name for a client: 1 to 64 of A-Z a-z 0-9 - _")
    if name.startswith(subjects.HTTP_CLIENT_PREFIX) or name in _TAKEN:
        raise SettingsError(f"{name!r} is a name that Stile uses itself: choose another")
    if seed.exists():
        raise SettingsError(f"there is a client {name} already: its key is {seed}")
    credentials.ensure(home.clients, (name,))


def registered(home: Home) -> dict[str, str]:
    """Return every client's public key by its name."""
    names = sorted(path.stem for path in home.clients.glob("*.nk"))
    return credentials.ensure(home.clients, tuple(names))


def request_line(connection_flags: str) -> str:
    """Return a `nats` command line that asks a question; the flags say where and as which user."""
    return f'nats req chat.request \'{{"prompt": "Why is the sky blue?"}}\' {connection_flags} --timeout 5m'


def server_pid(home: Home) -> int | None:
    """Return the process id of the nats-server that `stile up` runs here, or None."""
    running = state.read(home.state)
    return next((part.pid for part in running.parts if part.name == "nats"), None) if running else None


async def introduce(settings: Settings, home: Home, seed: Path) -> None:
    """Have the nats-server that runs here read its configuration again, until the client can ask.

    Once is not enough: nats-server 2.15.1 knows a new account after the first SIGHUP, but finds
    nothing behind what it imports before the second (much as in nats-server's issue 8560). Requests
    on their way are kept.

    Raises:
        StileError: the client can't ask within ten seconds.
    """
    deadline = time.monotonic() + _INTRODUCED_WITHIN
    while (pid := server_pid(home)) is not None:
        os.kill(pid, signal.SIGHUP)
        await asyncio.sleep(_RELOAD_SECONDS)
        problem = await _probe(settings, seed)
        if problem is None:
            return
        if time.monotonic() > deadline:
            raise StileError(f"the client is made, but cannot ask yet ({problem}): see `stile doctor`")


async def _probe(settings: Settings, seed: Path) -> str | None:
    """Send an empty request as the client; return why that fails, or None.

    The filter answers a request without a prompt by itself: it never reaches the model.
    """
    try:
        async with connection.connect(settings.login(seed, "_INBOX")) as client:
            await client.request("chat.request", b"{}", timeout=5.0)
    except BusError as error:
        return f"nats-server does not let it in: {error}"
    except nats.errors.NoRespondersError:
        return "nobody answers requests"
    except nats.errors.TimeoutError:
        return None  # a filter has the request, and is slow
    return None
