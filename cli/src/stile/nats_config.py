"""The configuration that one nats-server runs with: the committed files beside the generated ones.

nats-server's ``include`` is relative to the file it stands in, so the committed ``nats-server.conf`` and
``accounts.conf`` are copied into a folder beside generated files: ``nkeys.conf``, the public halves of
the services' keys, ``clients.conf``, an account for each direct client, and what TLS there is (``nats_tls``).
No secret stands in any of them.

In a cluster a fourth one lies there, ``routes.conf``. It holds the password of the routes, as nats-server
takes no nkey there, and is for its owner alone. An edge site's server has ``leaf.conf`` and ``site.conf``,
which holds seeds, as a leaf takes them from nowhere else.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from stile import nats_tls

COMMITTED = ("nats-server.conf", "accounts.conf", "cluster.conf", "hub.conf")
CLIENTS = "clients.conf"
NKEYS = "nkeys.conf"
ROUTES = "routes.conf"
SITE = "site.conf"

_ROUTE_USER = "route"

# A direct client may ask, cancel what it asked, look up what became of it, and hear what its own account is
# told. The server writes the account's name into the subjects it imports, so no client can pass for another
# (accounts.conf, `account_token_position`).
_ACCOUNT = """\
"{name}": {{
  imports: [
    {{ service: {{ account: APP, subject: "chat.request.{name}" }}, to: "chat.request" }}
    {{ service: {{ account: APP, subject: "chat.cancel.{name}.*" }}, to: "chat.cancel.*" }}
    {{ service: {{ account: APP, subject: "chat.outcome.{name}.*" }}, to: "chat.outcome.*" }}
  ]
  users: [{{ nkey: {key}, permissions: {{
    publish: {{ allow: ["chat.request", "chat.cancel.*", "chat.outcome.*"] }}
    subscribe: {{ allow: ["_INBOX.>"] }} }} }}]
}}
"""


class SiteUser(NamedTuple):
    """As whom an edge site speaks: a direct client, or the gateway."""

    name: str
    key: str
    """The public half."""
    seed: str


def write(
    source: Path,
    folder: Path,
    users: Mapping[str, str],
    clients: Mapping[str, str],
    tls: Mapping[str, str] | None = None,
) -> Path:
    """Write the whole configuration into ``folder``; return the file that nats-server is started with.

    Args:
        source: the folder with the committed files.
        folder: where to write; made where it is not there.
        users: the services' public keys.
        clients: the direct clients' public keys.
        tls: ``nats_tls.of_server``; nothing is encrypted without it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in COMMITTED:
        _replace(folder / name, (source / name).read_text())
    nkeys = "".join(f"STILE_NKEY_{user.upper()}: {key}\n" for user, key in users.items())
    _replace(folder / NKEYS, f"# The services' public keys, written by `stile`.\n{nkeys}")
    for name in nats_tls.FILES:
        _write_tls(folder / name, (tls or {}).get(name, ""))
    write_clients(folder, clients)
    return folder / COMMITTED[0]


def write_clients(folder: Path, clients: Mapping[str, str]) -> None:
    """Write the accounts of the direct clients anew; a running nats-server needs a SIGHUP to see them."""
    accounts = "".join(_ACCOUNT.format(name=name, key=key) for name, key in sorted(clients.items()))
    _replace(folder / CLIENTS, f"# The direct clients, written by `stile clients add NAME`.\n{accounts}")


def write_routes(folder: Path, servers: Sequence[str], password: str) -> Path:
    """Write who the servers of the cluster are; return the file that each of them is started with.

    Args:
        folder: the one that ``write`` has filled.
        servers: ``host:port`` of each server's cluster port, the one's own among them: it is passed over.
        password: what the servers know each other by; letters and digits.
    """
    urls = ", ".join(f'"nats-route://{_ROUTE_USER}:{password}@{server}"' for server in servers)
    _replace(
        folder / ROUTES,
        "# Who the servers are, written by `stile credentials`. A secret: it passes by all permissions.\n"
        f'authorization {{ user: "{_ROUTE_USER}", password: "{password}" }}\n'
        f"routes: [{urls}]\n",
        mode=0o600,
    )
    return folder / "cluster.conf"


def write_site(
    source: Path,
    folder: Path,
    hub: Sequence[str],
    users: Sequence[SiteUser],
    tls: Mapping[str, str] | None = None,
) -> Path:
    """Write an edge site's configuration into ``folder``; return the file that its server is started with.

    Each user has an account of its own at the site, tied to its account at the hub with its permissions.

    Args:
        source: the folder with the committed files.
        folder: where to write; made where it is not there.
        hub: ``nats-leaf://host:port`` of the hub's servers.
        users: as whom the site speaks.
        tls: ``nats_tls.of_site``; nothing is encrypted without it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _replace(folder / "leaf.conf", (source / "leaf.conf").read_text())
    for name in nats_tls.SITE_FILES:
        _write_tls(folder / name, (tls or {}).get(name, ""))
    urls = ", ".join(f'"{url}"' for url in hub)
    # The addresses that the hub's servers see of themselves may be of no use out here.
    remotes = "\n".join(
        f'  {{\n    urls: [{urls}], account: "{u.name}", nkey: "{u.seed}", ignore_discovered_servers: true'
        f"\n    include ./{nats_tls.LINK}\n  }}"
        for u in users
    )
    accounts = "\n".join(f'  "{u.name}" {{ users: [{{ nkey: {u.key} }}] }}' for u in users)
    _replace(
        folder / SITE,
        "# Who speaks for this site at the hub, written by `stile leaf`. It holds secrets.\n"
        f"leafnodes {{ remotes: [\n{remotes}\n] }}\naccounts {{\n{accounts}\n}}\n",
        mode=0o600,
    )
    return folder / "leaf.conf"


def _write_tls(path: Path, block: str) -> None:
    _replace(path, f"# TLS, written by `stile` where it is told of a certificate.\n{block}")


def _replace(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write ``text`` whole or not at all: nats-server may read the file at any moment."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
