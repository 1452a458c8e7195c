"""The configuration that one nats-server runs with: the committed files beside the generated ones.

nats-server's ``include`` is relative to the file it is in, so the committed ``nats-server.conf`` and
``accounts.conf`` are copied into a folder beside generated files: ``nkeys.conf``, the public halves of
the services' keys; ``clients.conf``, an account for each direct client; and the TLS files (``tls``).
None of them holds a secret.

A cluster has one more, ``routes.conf``. It holds the password of the routes, because nats-server
accepts no nkey there, and only its owner can read it. An edge site's server has ``leaf.conf`` and
``site.conf``, which holds seeds, because nats-server reads a leaf's seed from nowhere else.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from stile.nats import tls
from stile.nats.values import quoted
from stile_runtime.installation import files

COMMITTED = ("nats-server.conf", "accounts.conf", "cluster.conf", "hub.conf")
CLIENTS = "clients.conf"
NKEYS = "nkeys.conf"
ROUTES = "routes.conf"
SITE = "site.conf"

_ROUTE_USER = "route"

# A direct client may send requests, cancel them, ask for their status, and receive what is sent to
# its own account. The server writes the account's name into the subjects it imports, so no client
# can use another's name (accounts.conf, `account_token_position`).
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
    """A user that an edge site connects as: a direct client, or the gateway."""

    name: str
    key: str
    """The public half."""
    seed: str


def write(
    source: Path,
    folder: Path,
    users: Mapping[str, str],
    clients: Mapping[str, str],
    tls_blocks: Mapping[str, str] | None = None,
) -> Path:
    """Write the whole configuration into ``folder``; return the file that nats-server is started with.

    Args:
        source: the folder with the committed files.
        folder: where to write; made if it is not there.
        users: the services' public keys.
        clients: the direct clients' public keys.
        tls_blocks: ``tls.of_server``; without it nothing is encrypted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in COMMITTED:
        _write(folder / name, (source / name).read_text())
    nkeys = "".join(f"STILE_NKEY_{user.upper()}: {key}\n" for user, key in users.items())
    _write(folder / NKEYS, f"# The services' public keys, written by `stile`.\n{nkeys}")
    for name in tls.FILES:
        _write_tls(folder / name, (tls_blocks or {}).get(name, ""))
    write_clients(folder, clients)
    return folder / COMMITTED[0]


def write_clients(folder: Path, clients: Mapping[str, str]) -> None:
    """Write the accounts of the direct clients; a running nats-server needs a SIGHUP to see them."""
    accounts = "".join(_ACCOUNT.format(name=name, key=key) for name, key in sorted(clients.items()))
    _write(folder / CLIENTS, f"# The direct clients, written by `stile clients add NAME`.\n{accounts}")


def write_routes(folder: Path, servers: Sequence[str], password: str) -> Path:
    """Write the list of the cluster's servers; return the file that each of them is started with.

    Args:
        folder: the one that ``write`` has filled.
        servers: ``host:port`` of each server's cluster port; a server skips its own.
        password: of the routes between the servers; letters and digits.
    """
    urls = ", ".join(quoted(f"nats-route://{_ROUTE_USER}:{password}@{server}") for server in servers)
    _write(
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
    tls_blocks: Mapping[str, str] | None = None,
) -> Path:
    """Write an edge site's configuration into ``folder``; return the file that its server is started with.

    Each user has an account of its own at the site, tied to its account at the hub with its
    permissions.

    Args:
        source: the folder with the committed files.
        folder: where to write; made if it is not there.
        hub: ``nats-leaf://host:port`` of the hub's servers.
        users: those that the site connects as.
        tls_blocks: ``tls.of_site``; without it nothing is encrypted.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(folder / "leaf.conf", (source / "leaf.conf").read_text())
    for name in tls.SITE_FILES:
        _write_tls(folder / name, (tls_blocks or {}).get(name, ""))
    urls = ", ".join(map(quoted, hub))
    # The addresses that the hub's servers know of each other may not be reachable from the site.
    remotes = "\n".join(
        f'  {{\n    urls: [{urls}], account: "{u.name}", nkey: "{u.seed}", ignore_discovered_servers: true'
        f"\n    include ./{tls.LINK}\n  }}"
        for u in users
    )
    accounts = "\n".join(f'  "{u.name}" {{ users: [{{ nkey: {u.key} }}] }}' for u in users)
    _write(
        folder / SITE,
        "# Who speaks for this site at the hub, written by `stile leaf`. It holds secrets.\n"
        f"leafnodes {{ remotes: [\n{remotes}\n] }}\naccounts {{\n{accounts}\n}}\n",
        mode=0o600,
    )
    return folder / "leaf.conf"


def _write_tls(path: Path, block: str) -> None:
    _write(path, f"# TLS, written by `stile` if a certificate is set.\n{block}")


def _write(path: Path, text: str, *, mode: int = 0o644) -> None:
    files.replace(path, text, mode=mode)
