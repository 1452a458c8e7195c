"""Where Stile's own files and one installation's files are."""

from dataclasses import dataclass
from pathlib import Path

from stile.settings import Settings
from stile_runtime.api_keys import KEY_FILE
from stile_runtime.settings import SettingsError


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
        """The streams that there should be."""
        return self.nats / "streams.json"

    @property
    def models(self) -> Path:
        """The weights, beside the list of them."""
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
        """The API keys' digests, if ``STILE_API_KEYS`` names no other file."""
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
    """Find Stile's own files: at ``STILE_ROOT``, else in the checkout around this package.

    If there is none around the package, the one around the current folder is used.

    Raises:
        SettingsError: they are not there.
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
    """Return where this installation's files are; makes nothing.

    Raises:
        SettingsError: ``STILE_HOME`` is not set, and no checkout is found to put it in.
    """
    if settings.home is not None:
        return Home(settings.home.resolve())
    return Home(find_root(settings).folder / ".stile")


def find_api_keys(settings: Settings) -> Path:
    """Return the file of API keys; makes nothing.

    Raises:
        SettingsError: neither it nor ``STILE_HOME`` is set, and no checkout is found to put it in.
    """
    named = settings.api_keys
    return (named if isinstance(named, Path) else find_home(settings).api_keys).absolute()


def _is_root(folder: Path) -> bool:
    return (folder / "nats" / "nats-server.conf").is_file() and (folder / "models" / "models.toml").is_file()
