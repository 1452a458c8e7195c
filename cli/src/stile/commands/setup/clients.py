"""`stile clients`: programs that send requests over NATS, each in an account of its own."""

import asyncio
import shlex
from typing import Annotated

import typer

from stile.home import find_home
from stile.keys import credentials
from stile.nats import clients, config
from stile.settings import Settings
from stile.shell import listing

commands = typer.Typer(
    rich_markup_mode=None, help="Programs that send requests over NATS, each in an account of its own."
)


@commands.command()
def add(name: Annotated[str, typer.Argument(help="Letters, digits, - and _; at most 64.")]) -> None:
    """Make a client: its account and its key; a nats-server that runs knows it at once."""
    settings = Settings.load()
    home = find_home(settings)
    clients.make(home, name)
    config.write_clients(home.nats, clients.registered(home))
    seed = credentials.seed_file(home.clients, name)
    if clients.server_pid(home) is None:
        typer.echo("No nats-server runs here: it will know the client when it is started.", err=True)
    else:
        from stile.nats import introduction  # noqa: PLC0415 -- nats-py takes 0.2 s that a list need not pay

        asyncio.run(introduction.introduce(settings, home, seed))
    context = f"stile-{name}"
    typer.echo(
        f"""{name} has the key {seed}: give it only to the program that has this name.

  {clients.request_line(f"-s {settings.nats_url} --nkey {shlex.quote(str(seed))}")}

Or, with a context of the nats command line:

  nats context add {context} --server {settings.nats_url} --nkey {shlex.quote(str(seed))}
  {clients.request_line(f"--context {context}")}"""
    )


@commands.command()
def remove(name: Annotated[str, typer.Argument(help="As `stile clients list` shows it.")]) -> None:
    """Remove a client, its account and its key; a running nats-server no longer lets it in.

    What it has asked already is still answered.
    """
    settings = Settings.load()
    home = find_home(settings)
    seed = clients.set_aside(home, name)
    try:
        config.write_clients(home.nats, clients.registered(home))
        if clients.server_pid(home) is not None:
            from stile.nats import introduction  # noqa: PLC0415 -- nats-py takes 0.2 s that a list need not pay

            asyncio.run(introduction.dismiss(settings, home, seed))
    finally:
        seed.unlink()
    typer.echo(f"{name} is not a client any more.", err=True)


@commands.command("list")
def list_(*, as_json: listing.AsJson = False) -> None:
    """List the clients and their public keys."""
    known = clients.registered(find_home(Settings.load()))
    rows = [{"name": name, "key": key} for name, key in known.items()]
    listing.show(rows, as_json=as_json, empty="No clients: `stile clients add NAME` makes one.")
