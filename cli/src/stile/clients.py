"""`stile clients`: those who ask straight over NATS, each in an account of its own."""

import asyncio
import os
import shlex
import signal
import time
from pathlib import Path
from typing import Annotated

import nats.errors
import typer

from stile import bus, credentials, nats_config, state
from stile.errors import BusError, StileError
from stile.settings import Home, Settings, find_home
from stile_contracts import subjects
from stile_runtime.settings import SettingsError

commands = typer.Typer(help="Those who ask straight over NATS, each in an account of its own.")

_TAKEN = ("APP", "SYS", subjects.GATEWAY)
"""Accounts of nats/accounts.conf, and the origin of requests that come over HTTP."""
_INTRODUCED_WITHIN = 10.0
_RELOAD_SECONDS = 0.2


@commands.command()
def add(name: Annotated[str, typer.Argument(help="Letters, digits, - and _; at most 64.")]) -> None:
    """Make a client: its account and its key; a nats-server that runs knows it at once."""
    settings = Settings.load()
    home = find_home(settings)
    make(home, name)
    nats_config.write_clients(home.nats, registered(home))
    seed = credentials.seed_file(home.clients, name)
    if _nats_pid(home) is None:
        typer.echo("No nats-server runs here: it will know the client when it is started.", err=True)
    else:
        asyncio.run(_introduce(settings, home, seed))
    context = f"stile-{name}"
    typer.echo(
        f"""{name} has the key {seed}: it goes to whoever asks under this name, and to nobody else.

  {request_line(f"-s {settings.nats_url} --nkey {shlex.quote(str(seed))}")}

Or, with a context of the nats command line:

  nats context add {context} --server {settings.nats_url} --nkey {shlex.quote(str(seed))}
  {request_line(f"--context {context}")}"""
    )


@commands.command("list")
def list_() -> None:
    """List the clients and their public keys."""
    for name, key in registered(find_home(Settings.load())).items():
        typer.echo(f"{name}\t{key}")


def make(home: Home, name: str) -> None:
    """Make the client's seed.

    Raises:
        SettingsError: nobody may be called that, or somebody is.
    """
    if not subjects.is_token(name):
        raise SettingsError(f"{name!r} is no name for a client: 1 to 64 of A-Z a-z 0-9 - _")
    if name.startswith(subjects.HTTP_CLIENT_PREFIX) or name in _TAKEN:
        raise SettingsError(f"{name!r} is a name that Stile uses itself: choose another")
    if credentials.seed_file(home.clients, name).exists():
        raise SettingsError(
            f"there is a client {name} already: its key is {credentials.seed_file(home.clients, name)}"
        )
    credentials.ensure(home.clients, (name,))


def registered(home: Home) -> dict[str, str]:
    """Return every client's public key by its name."""
    names = sorted(path.stem for path in home.clients.glob("*.nk"))
    return credentials.ensure(home.clients, tuple(names))


def request_line(connection: str) -> str:
    """Return a `nats` command line that asks a question; ``connection`` is its flags for where and who."""
    return f'nats req chat.request \'{{"prompt": "Why is the sky blue?"}}\' {connection} --timeout 5m'


def _nats_pid(home: Home) -> int | None:
    running = state.read(home.state)
    return next((part.pid for part in running.parts if part.name == "nats"), None) if running else None


async def _introduce(settings: Settings, home: Home, seed: Path) -> None:
    """Have the nats-server that runs here read its configuration again, until the client can ask.

    Once is not enough: nats-server 2.15.1 knows a new account after the first SIGHUP, but finds nobody behind
    what it imports before the second (much as in nats-server's issue 8560). Requests on their way stay on it.
    """
    deadline = time.monotonic() + _INTRODUCED_WITHIN
    while (pid := _nats_pid(home)) is not None:
        os.kill(pid, signal.SIGHUP)
        await asyncio.sleep(_RELOAD_SECONDS)
        problem = await _probe(settings, seed)
        if problem is None:
            return
        if time.monotonic() > deadline:
            raise StileError(f"the client is made, but cannot ask yet ({problem}): see `stile doctor`")


async def _probe(settings: Settings, seed: Path) -> str | None:
    """Ask for nothing, as the client; return what stands in the way.

    The filter answers a request without a prompt by itself: it never reaches the model.
    """
    try:
        async with bus.connect(settings.login(seed, "_INBOX")) as client:
            await client.request("chat.request", b"{}", timeout=5.0)
    except BusError as error:
        return f"nats-server does not let it in: {error}"
    except nats.errors.NoRespondersError:
        return "nobody answers requests"
    except nats.errors.TimeoutError:
        return None  # somebody has the request, and is slow
    return None
