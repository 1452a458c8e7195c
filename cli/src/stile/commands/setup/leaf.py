"""`stile leaf`: the configuration of an edge site's nats-server, a leaf of this bus."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from stile.home import find_home, find_root
from stile.keys import credentials
from stile.nats import config, tls
from stile.nats.config import SiteUser
from stile.settings import Settings
from stile_runtime.variables import SettingsError

GATEWAY = "gateway"


def leaf(
    folder: Annotated[Path, typer.Argument(help="Written here, to be carried to the site.")],
    hub: Annotated[str, typer.Option(help="nats-leaf://HOST:7422, several with commas between them.")],
    client: Annotated[str, typer.Option(help="The direct client that the site's devices speak as.")],
    gateway: Annotated[bool, typer.Option(help="Let a gateway run at the site too.")] = False,  # noqa: FBT002 -- a flag
) -> None:
    """Write the files that an edge site's nats-server needs. Anyone who has the folder can act as the site.

    Certificates that STILE_NATS_LINK_… and STILE_NATS_SITE_… name are copied into it.
    """
    urls = [url.strip() for url in hub.split(",")]
    for url in urls:
        if urlsplit(url).scheme not in {"nats-leaf", "tls", "ws", "wss"} or not urlsplit(url).hostname:
            raise SettingsError(f"--hub {hub}: give nats-leaf://HOST:PORT, several with commas between them")
    settings = Settings.load()
    home = find_home(settings)
    users = [_user(home.clients, client)]
    if gateway:
        users.append(_user(home.credentials, GATEWAY))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    blocks = tls.of_site(settings, folder)
    written = config.write_site(find_root(settings).nats, folder, urls, users, blocks)
    typer.echo(f"At the site: nats-server -c {written.name}, in a copy of {folder}. It holds secrets.")


def _user(folder: Path, name: str) -> SiteUser:
    file = credentials.seed_file(folder, name)
    if not file.is_file():
        raise SettingsError(f"{file}: there is no such key; `stile clients list` tells the clients")
    key = credentials.ensure(folder, (name,))[name]
    return SiteUser(name, key, file.read_text().strip())
