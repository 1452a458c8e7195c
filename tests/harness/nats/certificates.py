"""A real authority, made when the tests run, and the certificates that it vouches for."""

from pathlib import Path
from typing import Any

import trustme

from stile.settings import Settings
from stile_runtime import tls


class Certificates:
    """PEM files in ``folder``: the authority's, nats-server's for 127.0.0.1, and one for each part."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        self.server_cert, self.server_key = self._issue(authority, folder, "127.0.0.1")
        self.cert, self.key = self._issue(authority, folder, "part.stile.test")

    @property
    def client(self) -> dict[str, str]:
        """Return the variables of a part that shows its own certificate."""
        return {
            **self.client_without_certificate,
            "STILE_NATS_TLS_CERT": str(self.cert),
            "STILE_NATS_TLS_KEY": str(self.key),
        }

    @property
    def client_without_certificate(self) -> dict[str, str]:
        """Return the variables of a part that knows the authority alone."""
        return {"STILE_NATS_TLS_CA": str(self.ca)}

    @property
    def server(self) -> dict[str, str]:
        """Return the variables of nats-server that asks everybody for a certificate."""
        return {
            "STILE_NATS_SERVER_CERT": str(self.server_cert),
            "STILE_NATS_SERVER_KEY": str(self.server_key),
            "STILE_NATS_SERVER_CLIENT_CA": str(self.ca),
        }

    @property
    def settings(self) -> Settings:
        """Return the settings of a server that asks everybody for a certificate, on each of its ports."""
        return Settings(
            nats_server_cert=self.server_cert,
            nats_server_key=self.server_key,
            nats_server_client_ca=self.ca,
            nats_cluster_cert=self.server_cert,
            nats_cluster_key=self.server_key,
            nats_cluster_ca=self.ca,
            nats_leaf_cert=self.server_cert,
            nats_leaf_key=self.server_key,
            nats_leaf_client_ca=self.ca,
        )

    @property
    def connection(self) -> dict[str, Any]:
        """Return what ``nats.connect`` needs to show the certificate."""
        return {"tls": tls.client_context(self.ca, self.cert, self.key), "tls_handshake_first": True}

    def _issue(self, authority: trustme.CA, folder: Path, name: str) -> tuple[Path, Path]:
        issued = authority.issue_cert(name)
        cert, key = folder / f"{name}.pem", folder / f"{name}.key"
        issued.cert_chain_pems[0].write_to_path(str(cert))
        issued.private_key_pem.write_to_path(str(key))
        return cert, key
