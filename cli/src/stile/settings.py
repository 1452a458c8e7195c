"""What can be set for `stile`, by ``STILE_…`` variables; each command reads them once.

They are read without pydantic-settings, whose import would take most of the time of a short command
(docs/adr/0040).
"""

import os
from dataclasses import dataclass, fields
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self, get_type_hints

from stile.shell import values
from stile.shell.values import Secret
from stile_runtime.login import Login
from stile_runtime.variables import SettingsError, variable

if TYPE_CHECKING:
    import ssl

EMBEDDED_MODEL = "SmolLM2-135M-Instruct"
"""The model that comes with the environment (models/models.toml), so that a first start downloads
nothing."""

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "localhost": "127.0.0.1"}  # noqa: S104 -- looked up, not bound

SECRETS = ("STILE_API_KEY", "STILE_LLAMA_KEY")
"""The variables that hold a secret: no part inherits them, and no file gets them."""

Text = Annotated[str, str]
Folder = Annotated[Path, Path]
File = Annotated[Path, values.file]
Port = Annotated[int, values.whole(1, 65535)]


def _require_pair(port: str, cert: Path | None, key: Path | None, ca: Path | None) -> None:
    name = f"STILE_NATS_{port}"
    if (cert is None) is not (key is None):
        raise ValueError(f"set both {name}_CERT and {name}_KEY, or neither")
    if ca is not None and cert is None:
        raise ValueError(f"{name}_CLIENT_CA needs {name}_CERT, too")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The variables that `stile` reads; each stands in docs/configuration.md."""

    root: Folder | None = None
    """The folder with ``nats/`` and ``models/``; by default the checkout."""
    home: Folder | None = None
    """Data, logs and credentials; by default ``.stile`` in the checkout."""
    host: Text = "127.0.0.1"
    port: Port = 8000
    public_url: Annotated[str | None, values.http_url] = None
    """The chat page's address as the people with keys reach it, for links and QR codes."""
    nats_host: Text = "127.0.0.1"
    nats_port: Port = 4222
    nats_server_cert: File | None = None
    """nats-server's certificate, PEM; if it is set, nats-server accepts only TLS."""
    nats_server_key: File | None = None
    nats_server_client_ca: File | None = None
    """The authorities of the clients' certificates, PEM; if it is set, each client needs one."""
    nats_cluster_ca: File | None = None
    """The authorities of the cluster's servers, PEM; each server asks each other for a certificate."""
    nats_cluster_cert: File | None = None
    nats_cluster_key: File | None = None
    nats_leaf_cert: File | None = None
    """nats-server's certificate for edge sites' servers, PEM; then their links use only TLS."""
    nats_leaf_key: File | None = None
    nats_leaf_client_ca: File | None = None
    """The authorities of the edge sites' certificates, PEM; if it is set, each site needs one."""
    nats_link_ca: File | None = None
    """The authorities of the hub's certificate, for an edge site; then their link uses only TLS."""
    nats_link_cert: File | None = None
    """The certificate that the site's server shows the hub."""
    nats_link_key: File | None = None
    nats_site_cert: File | None = None
    """The certificate that the site's server shows its devices; then they must use TLS."""
    nats_site_key: File | None = None
    nats_site_client_ca: File | None = None
    """The authorities of the devices' certificates, PEM; if it is set, each device needs one."""
    nats_monitor_port: Port | None = None
    """By default 8222, or any free port if another program has that one."""
    llama_port: Port | None = None
    """By default 11434, or the next free port if another program has that one: it is Ollama's, too."""
    llama_url: Annotated[str | None, values.http_url] = None
    """A llama.cpp server that runs already; then none is started."""
    llama_key: Annotated[Secret | None, Secret] = None
    """The key of that server, if it asks for one."""
    llama_key_file: File | None = None
    """A file that holds it."""
    consumer_port: Port = 8080
    filter_port: Port | None = None
    """By default 8081, or any free port if another program has that one."""
    console: Annotated[Literal["on", "off"], values.on_or_off] = "on"
    """Whether the console is started."""
    console_host: Text = "127.0.0.1"
    console_port: Port | None = None
    """By default 8090, or any free port if another program has that one."""
    model: Text = EMBEDDED_MODEL
    """The path of a GGUF file, or a name that `stile models list` shows."""
    model_name: Annotated[str | None, values.model_name] = None
    """What clients call the model; by default its name in the list, at Ollama or in its file."""
    models_dir: Folder | None = None
    """The folder of the models' weights; by default ``models`` in the root."""
    prompt_cache: Annotated[int | None, values.whole(0)] = None
    """MiB of llama.cpp's prompt cache; by default a share of the memory that is free."""
    context: Annotated[int, values.whole(256)] = 4096
    """Tokens of a conversation and its answer together."""
    threads: Annotated[int | None, values.whole(1)] = None
    """Of llama.cpp; by default the number of physical cores."""
    policy: Folder | None = None
    """The policy's file; by default the one that `stile policy init` makes, else the one of Stile."""
    archive: Folder | None = None
    """The folder of the sealed archive; by default ``archive`` in ``STILE_HOME``."""
    api_keys: Annotated[Literal["off"] | Path | None, values.off_or_path] = None
    """The file of API keys: the gateway asks for one as soon as it is there; ``off``: never."""
    api_key: Annotated[Secret | None, Secret] = None
    """The API key of `stile chat`."""

    nats_tls_ca: File | None = None
    nats_tls_cert: File | None = None
    nats_tls_key: File | None = None

    def __post_init__(self) -> None:
        """Check what several variables are together.

        Raises:
            ValueError: they do not fit; the message names them.
        """
        self.tls()
        self._check_servers_tls()
        self._check_llama_key()

    @classmethod
    def load(cls) -> Self:
        """Read the environment; an empty variable is unset.

        Raises:
            SettingsError: the first variable that can't be used.
        """
        given = {}
        hints = get_type_hints(cls, include_extras=True)
        for field in fields(cls):
            name = variable(field.name)
            if text := os.environ.get(name):
                try:
                    given[field.name] = values.reader(hints[field.name])(text)
                except ValueError as error:
                    raise SettingsError(f"{name}: {error}") from None
        try:
            return cls(**given)
        except ValueError as error:
            raise SettingsError(str(error)) from error

    def tls(self) -> "ssl.SSLContext | None":
        """Make the TLS context of a connection to nats-server, or None if none of the variables is set.

        Raises:
            ValueError: a file can't be used; the message names its variable.
        """
        if self.nats_tls_ca is self.nats_tls_cert is self.nats_tls_key is None:
            return None
        from stile_runtime import tls  # noqa: PLC0415 -- ssl takes 30 ms that few commands need

        return tls.client_context(self.nats_tls_ca, self.nats_tls_cert, self.nats_tls_key)

    def _check_servers_tls(self) -> None:
        _require_pair("SERVER", self.nats_server_cert, self.nats_server_key, self.nats_server_client_ca)
        _require_pair("LEAF", self.nats_leaf_cert, self.nats_leaf_key, self.nats_leaf_client_ca)
        _require_pair("SITE", self.nats_site_cert, self.nats_site_key, self.nats_site_client_ca)
        if (self.nats_link_cert is None) is not (self.nats_link_key is None):
            raise ValueError("set both STILE_NATS_LINK_CERT and STILE_NATS_LINK_KEY, or neither")
        if self.nats_link_cert is not None and self.nats_link_ca is None:
            raise ValueError("STILE_NATS_LINK_CERT needs STILE_NATS_LINK_CA, too")
        cluster = (self.nats_cluster_ca, self.nats_cluster_cert, self.nats_cluster_key)
        if any(cluster) and not all(cluster):
            raise ValueError("set STILE_NATS_CLUSTER_CA, STILE_NATS_CLUSTER_CERT and …_KEY, or none of them")

    def _check_llama_key(self) -> None:
        if self.llama_key is not None and self.llama_key_file is not None:
            raise ValueError("set one of STILE_LLAMA_KEY and STILE_LLAMA_KEY_FILE, not both")
        if (self.llama_key or self.llama_key_file) and self.llama_url is None:
            raise ValueError("STILE_LLAMA_KEY needs STILE_LLAMA_URL: llama.cpp gets a key of its own here")

    def login(self, seed: Path | None, inbox: str, url: str | None = None) -> Login:
        """Make what a command logs in to nats-server with.

        Args:
            seed: the file with the user's seed.
            inbox: the prefix of its reply subjects.
            url: of a server elsewhere.
        """
        return Login(url or self.nats_url, seed, self.tls(), inbox)

    def is_key_asked_for(self, file: Path) -> bool:
        """Return whether a gateway that starts now asks for API keys; ``file`` is their default place."""
        return self.api_keys != "off" and (self.api_keys is not None or file.exists())

    @property
    def is_shared(self) -> bool:
        """Whether other machines may reach the gateway."""
        try:
            return not ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() != "localhost"

    @property
    def url(self) -> str:
        """The gateway's address from this machine."""
        return f"http://{authority(self.host, self.port)}"

    @property
    def nats_url(self) -> str:
        """nats-server's address from this machine."""
        return f"nats://{authority(self.nats_host, self.nats_port)}"


def authority(host: str, port: int) -> str:
    """Join an address to connect to and a port; one that means "every address" becomes loopback."""
    host = _ANY_ADDRESS.get(host, host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
