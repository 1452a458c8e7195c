"""`stile credentials`: makes the services' keys and nats-server's configuration, for Docker."""

import re
from pathlib import Path
from typing import Annotated

import typer

from stile.home import Home, find_home, find_root
from stile.keys import credentials as seeds
from stile.keys import signing
from stile.nats import clients, config, tls
from stile.settings import Settings
from stile_runtime.variables import SettingsError

_SERVER = re.compile(r"(?:[\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}")


def credentials(
    folder: Annotated[
        Path | None,
        typer.Option(help="Seeds go here; clients/ and nats/ below it. Default: those of STILE_HOME."),
    ] = None,
    routes: Annotated[
        str,
        typer.Option(
            envvar="STILE_NATS_ROUTES", help="HOST:PORT of each server of a cluster, with commas between."
        ),
    ] = "",
) -> None:
    """Make the seeds that are missing, and write the configuration that nats-server runs with."""
    settings = Settings.load()
    servers = _servers(routes)
    root = find_root(settings)
    if folder is None:
        home = find_home(settings)
        kept = home.credentials
    else:
        home = Home(folder)
        kept = folder
    keys = seeds.ensure(kept)
    signer = signing.ensure(kept)
    seeds.ensure_llama_key(kept)
    config.write(root.nats, home.nats, keys, clients.registered(home), tls.of_server(settings))
    if servers:
        config.write_routes(home.nats, servers, seeds.route_password(kept))
    for user, key in keys.items():
        typer.echo(f"{user}\t{key}")
    typer.echo(f"signing\t{signer}")


def _servers(routes: str) -> list[str]:
    servers = [server.strip() for server in routes.split(",") if server.strip()]
    for server in servers:
        if not _SERVER.fullmatch(server):
            raise SettingsError(
                f"STILE_NATS_ROUTES={routes}: give HOST:PORT, several with commas between them"
            )
    return servers
