"""`stile credentials`: makes the services' keys and nats-server's configuration, for Docker and the like."""

from pathlib import Path
from typing import Annotated

import typer

from stile import clients, config, nats_config, signing_keys
from stile import credentials as seeds
from stile.config import Home


def credentials(
    folder: Annotated[
        Path | None,
        typer.Option(help="Seeds go here; clients/ and nats/ below it. Default: those of STILE_HOME."),
    ] = None,
) -> None:
    """Make the seeds that are missing, and write the configuration that nats-server runs with."""
    settings = config.load()
    root = config.find_root(settings)
    if folder is None:
        home = config.find_home(settings)
        folder = home.credentials
    else:
        home = Home(folder)
    keys = seeds.ensure(folder)
    signer = signing_keys.ensure(folder)
    nats_config.write(root.nats, home.nats, keys, clients.registered(home), nats_config.server_tls(settings))
    for user, key in keys.items():
        typer.echo(f"{user}\t{key}")
    typer.echo(f"signing\t{signer}")
