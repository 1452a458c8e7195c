"""nats-server's TLS, for each port that it listens on, and for an edge site's link to the hub.

The committed files include a file for each; it is empty if there is no certificate.
"""

import shutil
from pathlib import Path
from typing import NamedTuple

from stile.nats.values import quoted
from stile.settings import Settings

CLIENTS = "tls.conf"
"""The port that the parts and direct clients connect to."""
ROUTES = "routes-tls.conf"
"""The port that the other servers of a cluster connect to."""
LEAVES = "leaves-tls.conf"
"""The port that edge sites' servers connect to."""
LINK = "link-tls.conf"
"""An edge site's end of the link to the hub."""
FILES = (CLIENTS, ROUTES, LEAVES)
SITE_FILES = (CLIENTS, LINK)


class _Pem(NamedTuple):
    """The other side's authorities, and this side's own certificate with its key."""

    ca: Path | None
    cert: Path | None
    key: Path | None


def of_server(settings: Settings) -> dict[str, str]:
    """Return the content of each of ``FILES``.

    On the clients' port a connection may begin with the handshake, as those of Stile's own parts
    do; otherwise the server asks for it 50 ms later (`auto`), and no connection goes on without. A
    leaf's port has no `auto`, so both ends begin with the handshake. Servers of a cluster do so by
    themselves.
    """
    clients = _Pem(settings.nats_server_client_ca, settings.nats_server_cert, settings.nats_server_key)
    routes = _Pem(settings.nats_cluster_ca, settings.nats_cluster_cert, settings.nats_cluster_key)
    leaves = _Pem(settings.nats_leaf_client_ca, settings.nats_leaf_cert, settings.nats_leaf_key)
    return {
        CLIENTS: _listener(_resolved(clients), "handshake_first: auto"),
        ROUTES: _listener(_resolved(routes)),
        LEAVES: _listener(_resolved(leaves), "handshake_first: true"),
    }


def of_site(settings: Settings, folder: Path) -> dict[str, str]:
    """Return the content of each of ``SITE_FILES``, and copy the certificates and keys into ``folder``.

    The folder is carried to the site, so the names have no path: nats-server looks for them in the
    folder that it is started in.
    """
    link = _Pem(settings.nats_link_ca, settings.nats_link_cert, settings.nats_link_key)
    site = _Pem(settings.nats_site_client_ca, settings.nats_site_cert, settings.nats_site_key)
    return {
        CLIENTS: _listener(_copied(site, folder, "site"), "handshake_first: auto"),
        LINK: _block(_copied(link, folder, "link"), "handshake_first: true") if link.ca else "",
    }


def _listener(pem: _Pem, *more: str) -> str:
    if pem.cert is None:
        return ""
    return _block(pem, *(["verify: true"] if pem.ca else []), *more)


def _block(pem: _Pem, *more: str) -> str:
    named = {"ca_file": pem.ca, "cert_file": pem.cert, "key_file": pem.key}
    lines = [f"{name}: {quoted(str(file))}" for name, file in named.items() if file]
    return "tls {\n" + "".join(f"  {line}\n" for line in (*lines, *more)) + "}\n"


def _resolved(pem: _Pem) -> _Pem:
    return _Pem(*(file and file.resolve() for file in pem))


def _copied(pem: _Pem, folder: Path, name: str) -> _Pem:
    return _Pem(
        *(file and _copy(file, folder / f"{name}-{part}.pem") for part, file in pem._asdict().items())
    )


def _copy(file: Path, target: Path) -> Path:
    """Copy it so that its owner alone can read it, because one of them is a key."""
    target.unlink(missing_ok=True)
    target.touch(mode=0o600)
    shutil.copyfile(file, target)
    return Path(target.name)
