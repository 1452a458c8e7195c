"""`stile clients`: those who ask straight over NATS, each in an account of its own."""

import asyncio
import os
import shlex
import signal
import time
from pathlib import Path
from typing import Annotated

import nats
import typer

from stile import config, credentials, nats_config, state
from stile.config import Home, Settings
from stile.errors import SettingsError, StileError
from stile_contracts import subjects

commands = typer.Typer(help="Those who ask straight over NATS, each in an account of its own.")

_TAKEN = ("APP", "SYS", subjects.GATEWAY)
"""Accounts of nats/accounts.conf, and the origin of requests that come over HTTP."""
_RELOADED_WITHIN = 10.0


@commands.command()
def add(name: Annotated[str, typer.Argument(help="Letters, digits, - and _; at most 64.")]) -> None:
    """Make a client: its account and its key; a nats-server that runs knows it at once."""
    settings = config.load()
    home = config.find_home(settings)
    make(home, name)
    nats_config.write_clients(home.nats, registered(home))
    seed = credentials.seed_file(home.clients, name)
    if reload(home):
        asyncio.run(_until_known(settings, seed))
    else:
        typer.echo("No nats-server runs here: it will know the client when it is started.", err=True)
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
    for name, key in registered(config.find_home(config.load())).items():
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


def reload(home: Home) -> bool:
    """Have the nats-server that runs here read its configuration again; False where none does."""
    running = state.read(home.state)
    for part in running.parts if running else ():
        if part.name == "nats" and part.pid is not None:
            os.kill(part.pid, signal.SIGHUP)
            return True
    return False


def request_line(connection: str) -> str:
    """Return a `nats` command line that asks a question; ``connection`` is its flags for where and who."""
    return f'nats req chat.request \'{{"prompt": "Why is the sky blue?"}}\' {connection} --timeout 5m'


async def _until_known(settings: Settings, seed: Path) -> None:
    deadline = time.monotonic() + _RELOADED_WITHIN
    while True:
        try:
            client = await nats.connect(settings.nats_url, nkeys_seed=str(seed), allow_reconnect=False)
        except (OSError, nats.errors.Error) as error:
            if time.monotonic() > deadline:
                raise StileError(f"nats-server does not know the new client, see its log: {error}") from error
            await asyncio.sleep(0.1)
        else:
            await client.close()
            return
