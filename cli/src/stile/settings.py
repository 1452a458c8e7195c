"""What can be set, and where Stile's own files and one installation's files lie.

Settings come from ``STILE_…`` variables and are read once, by the command that needs them.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, FilePath, SecretStr, model_validator

from stile_runtime import settings as runtime
from stile_runtime.api_keys import KEY_FILE
from stile_runtime.connection import Login
from stile_runtime.settings import SettingsError

EMBEDDED_MODEL = "SmolLM2-135M-Instruct"
"""The model that comes with the environment (models/models.toml), so that a first start downloads nothing."""

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "localhost": "127.0.0.1"}  # noqa: S104 -- looked up, not bound

Port = Annotated[int, Field(ge=1, le=65535)]


def _http_url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("should begin with http:// or https://")
    return text.rstrip("/")


def _require_pair(port: str, cert: Path | None, key: Path | None, ca: Path | None) -> None:
    variable = f"STILE_NATS_{port}"
    if (cert is None) is not (key is None):
        raise ValueError(f"set both {variable}_CERT and {variable}_KEY, or neither")
    if ca is not None and cert is None:
        raise ValueError(f"{variable}_CLIENT_CA needs {variable}_CERT, too")


class Settings(runtime.Settings):
    """The variables that `stile` reads; each stands in docs/configuration.md."""

    root: Path | None = None
    """Folder with ``nats/`` and ``models/``; found by itself in a checkout."""
    home: Path | None = None
    """Data, logs and credentials; ``.stile`` in the checkout where it is not set."""
    host: str = "127.0.0.1"
    port: Port = 8000
    nats_host: str = "127.0.0.1"
    nats_port: Port = 4222
    nats_server_cert: FilePath | None = None
    """Of nats-server, PEM: then it speaks TLS alone."""
    nats_server_key: FilePath | None = None
    nats_server_client_ca: FilePath | None = None
    """Who vouches for those who connect to it, PEM: then each needs a certificate (mutual TLS)."""
    nats_cluster_ca: FilePath | None = None
    """Who vouches for the servers of a cluster, PEM: each asks each other one for a certificate."""
    nats_cluster_cert: FilePath | None = None
    nats_cluster_key: FilePath | None = None
    nats_leaf_cert: FilePath | None = None
    """Of nats-server where edge sites' servers join it, PEM: then their links are TLS alone."""
    nats_leaf_key: FilePath | None = None
    nats_leaf_client_ca: FilePath | None = None
    """Who vouches for the edge sites, PEM: then each needs a certificate."""
    nats_link_ca: FilePath | None = None
    """Who vouches for the hub to an edge site's server, PEM: then their link is TLS alone."""
    nats_link_cert: FilePath | None = None
    """What the site's server shows the hub."""
    nats_link_key: FilePath | None = None
    nats_site_cert: FilePath | None = None
    """What the site's server shows its own devices, PEM: then they speak TLS alone."""
    nats_site_key: FilePath | None = None
    nats_site_client_ca: FilePath | None = None
    """Who vouches for the site's devices, PEM: then each needs a certificate."""
    nats_monitor_port: Port | None = None
    """8222, or any free one where that is taken."""
    llama_port: Port = 11434
    llama_url: Annotated[str, AfterValidator(_http_url)] | None = None
    """A llama.cpp server that runs already; none is started."""
    llama_key: SecretStr | None = None
    """The key of that server, if it asks for one."""
    llama_key_file: FilePath | None = None
    """A file that holds it."""
    consumer_port: Port = 8080
    filter_port: Port | None = None
    """8081, or any free one where that is taken."""
    model: str = EMBEDDED_MODEL
    """The path of a GGUF file, or a name of models/models.toml."""
    context: Annotated[int, Field(ge=256)] = 4096
    """Tokens that a conversation and its answer may take together."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """Of llama.cpp; the machine's physical cores where it is not set."""
    api_keys: Literal["off"] | Path | None = None
    """The file of the API keys that the gateway asks for as soon as it is there; ``off``: for none."""
    api_key: SecretStr | None = None
    """What `stile chat` asks with."""

    @model_validator(mode="after")
    def _servers_tls_is_whole(self) -> Self:
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
        return self

    @model_validator(mode="after")
    def _one_key_of_a_server_that_runs(self) -> Self:
        if self.llama_key is not None and self.llama_key_file is not None:
            raise ValueError("set one of STILE_LLAMA_KEY and STILE_LLAMA_KEY_FILE, not both")
        if (self.llama_key or self.llama_key_file) and self.llama_url is None:
            raise ValueError("STILE_LLAMA_KEY needs STILE_LLAMA_URL: llama.cpp gets a key of its own here")
        return self

    def login(self, seed: Path | None, inbox: str, url: str | None = None) -> Login:
        """Make what a command logs in to nats-server with.

        Args:
            seed: the file with the user's seed.
            inbox: what the subjects of its replies begin with.
            url: of a server elsewhere.
        """
        return Login(url or self.nats_url, seed, self.tls(), inbox)

    @property
    def is_shared(self) -> bool:
        """Whether other machines may reach the gateway."""
        try:
            return not ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() != "localhost"

    @property
    def url(self) -> str:
        """Where the gateway is reached from this machine."""
        return f"http://{authority(self.host, self.port)}"

    @property
    def nats_url(self) -> str:
        """Where nats-server is reached from this machine."""
        return f"nats://{authority(self.nats_host, self.nats_port)}"


def authority(host: str, port: int) -> str:
    """Join an address to connect to and a port; one that means "every address" becomes loopback."""
    host = _ANY_ADDRESS.get(host, host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True)
class Root:
    """Stile's own files that every installation shares."""

    folder: Path

    @property
    def nats(self) -> Path:
        """The committed configuration of nats-server."""
        return self.folder / "nats"

    @property
    def streams(self) -> Path:
        """Which streams there should be."""
        return self.nats / "streams.json"

    @property
    def models(self) -> Path:
        """Where the weights lie, beside the list of them."""
        return self.folder / "models"


@dataclass(frozen=True)
class Home:
    """The files of one installation."""

    folder: Path

    @property
    def credentials(self) -> Path:
        """The services' seeds."""
        return self.folder / "credentials"

    @property
    def clients(self) -> Path:
        """The direct clients' seeds."""
        return self.folder / "clients"

    @property
    def nats(self) -> Path:
        """What nats-server is configured with."""
        return self.folder / "nats"

    @property
    def store(self) -> Path:
        """The streams on disk."""
        return self.folder / "data" / "nats"

    @property
    def logs(self) -> Path:
        """A log for each part."""
        return self.folder / "logs"

    @property
    def api_keys(self) -> Path:
        """The API keys' digests, where ``STILE_API_KEYS`` names no other file."""
        return self.folder / KEY_FILE

    @property
    def lock(self) -> Path:
        """Held by the one `stile up` that may run here."""
        return self.folder / "lock"

    @property
    def state(self) -> Path:
        """What `stile status` reads."""
        return self.folder / "state.json"


def find_root(settings: Settings) -> Root:
    """Find Stile's own files: where ``STILE_ROOT`` says, else the checkout around this package or folder.

    Raises:
        SettingsError: they are in none of these places.
    """
    if settings.root is not None:
        if not _is_root(settings.root):
            raise SettingsError(
                f"STILE_ROOT={settings.root}: no nats/nats-server.conf and models/models.toml there"
            )
        return Root(settings.root.resolve())
    for folder in (*Path(__file__).resolve().parents, *(Path.cwd() / "here").parents):
        if _is_root(folder):
            return Root(folder)
    raise SettingsError("no checkout of Stile around this folder: go into one, or set STILE_ROOT to one")


def find_home(settings: Settings) -> Home:
    """Tell where this installation's files lie; makes nothing.

    Raises:
        SettingsError: ``STILE_HOME`` is not set, and no checkout is found to put it in.
    """
    if settings.home is not None:
        return Home(settings.home.resolve())
    return Home(find_root(settings).folder / ".stile")


def find_api_keys(settings: Settings) -> Path:
    """Tell which file holds the API keys; makes nothing.

    Raises:
        SettingsError: neither it nor ``STILE_HOME`` is set, and no checkout is found to put it in.
    """
    named = settings.api_keys
    return (named if isinstance(named, Path) else find_home(settings).api_keys).absolute()


def _is_root(folder: Path) -> bool:
    return (folder / "nats" / "nats-server.conf").is_file() and (folder / "models" / "models.toml").is_file()
