"""Lets a running nats-server know of a new direct client, or of one that is removed."""

import asyncio
import os
import signal
import time
from pathlib import Path

import nats.errors

from stile.errors import BusError, StileError
from stile.home import Home
from stile.nats import connection
from stile.nats.clients import server_pid
from stile.settings import Settings

_WITHIN = 10.0
_RELOAD_SECONDS = 0.2


async def introduce(settings: Settings, home: Home, seed: Path) -> None:
    """Have the nats-server that runs here read its configuration again, until the client can ask.

    Once is not enough: nats-server 2.15.1 knows a new account after the first SIGHUP, but finds
    nothing behind what it imports before the second (much as in nats-server's issue 8560). Requests
    on their way are kept.

    Raises:
        StileError: the client can't ask within ten seconds.
    """
    deadline = time.monotonic() + _WITHIN
    while (pid := server_pid(home)) is not None:
        os.kill(pid, signal.SIGHUP)
        await asyncio.sleep(_RELOAD_SECONDS)
        problem = await _probe(settings, seed)
        if problem is None:
            return
        if time.monotonic() > deadline:
            raise StileError(f"the client is made, but cannot ask yet ({problem}): see `stile doctor`")


async def dismiss(settings: Settings, home: Home, seed: Path) -> None:
    """Have the nats-server that runs here read its configuration again, until the client is kept out.

    Raises:
        StileError: it is still let in after ten seconds.
    """
    deadline = time.monotonic() + _WITHIN
    while (pid := server_pid(home)) is not None:
        os.kill(pid, signal.SIGHUP)
        await asyncio.sleep(_RELOAD_SECONDS)
        try:
            async with connection.connect(settings.login(seed, "_INBOX")):
                pass
        except BusError:
            return
        if time.monotonic() > deadline:
            raise StileError("nats-server still lets the client in: restart it (`stile restart nats`)")


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
