"""Where Stile's own files and one installation's files are."""

import os
from pathlib import Path

from stile.settings import Settings
from stile_runtime.installation import POLICY_FILE, console_tokens, state
from stile_runtime.names import KEY_FILE
from stile_runtime.variables import SettingsError

LOCAL_CLIENT = "local"
"""The direct client that is there from the first start, so that the printed `nats req` works at once."""

_IN_WHEEL = Path(__file__).resolve().parents[1] / "stile_files"
"""Where the wheel of the package `stile` puts them: beside this package."""


class Root:
    """Stile's own files, which every installation shares.

    Args:
        folder: a checkout, what ``STILE_ROOT`` names, or the files of the wheel.
        weights: the folder of the weights, if ``STILE_MODELS_DIR`` names one or this is a wheel; by default
            they are beside the list of models.
    """

    def __init__(self, folder: Path, weights: Path | None = None) -> None:
        self.folder = folder
        self.nats = folder / "nats"
        """The committed configuration of nats-server."""
        self.streams = self.nats / "streams.json"
        """The streams that there should be."""
        self.models = folder / "models"
        """The folder with the list of models."""
        self.weights = (weights or self.models).absolute()
        """The folder of the weights: the models', and those of the filter's classifiers."""


class Home:
    """The files of one installation.

    Args:
        folder: what ``STILE_HOME`` names, ``.stile`` in the checkout, or the user's data folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.credentials = folder / "credentials"
        """The services' seeds."""
        self.clients = folder / "clients"
        """The direct clients' seeds."""
        self.nats = folder / "nats"
        """The configuration that nats-server runs with."""
        self.store = folder / "data" / "nats"
        """The streams on disk."""
        self.logs = folder / "logs"
        """A log for each part."""
        self.api_keys = folder / KEY_FILE
        """The API keys' digests, if ``STILE_API_KEYS`` names no other file."""
        self.weights = folder / "models"
        """The weights, if Stile was installed from wheels."""
        self.policy = folder / POLICY_FILE
        """The policy, if `stile policy init` has made one and ``STILE_POLICY`` names no other."""
        self.archive = folder / "archive"
        """The sealed archive, if ``STILE_ARCHIVE`` names no other folder."""
        self.archive_key = folder / "archive.key"
        """The archive's private key, until its owner takes it away."""
        self.up_log = self.logs / "up.log"
        """What a `stile up -d` says itself."""
        self.restarts = folder / "restarts"
        """Names of the parts that `stile restart` wants restarted, a line each."""
        self.lock = folder / "lock"
        """Held by the one `stile up` that may run here."""
        self.state = folder / state.FILE
        """What `stile status` and the console read."""
        self.console_tokens = folder / console_tokens.FILE
        """The digests of the tokens that open the console."""


def find_root(settings: Settings) -> Root:
    """Find Stile's own files: at ``STILE_ROOT``, else in the checkout around this package, else in the wheel.

    Raises:
        SettingsError: they are not there.
    """
    if settings.root is not None:
        if not _is_root(settings.root):
            raise SettingsError(
                f"STILE_ROOT={settings.root}: no nats/nats-server.conf and models/models.toml there"
            )
        return Root(settings.root.resolve(), settings.models_dir)
    if checkout := _checkout():
        return Root(checkout, settings.models_dir)
    if _is_root(_IN_WHEEL):
        return Root(_IN_WHEEL, settings.models_dir or find_home(settings).weights)
    raise SettingsError("Stile's own files are not there: install the package `stile`, or set STILE_ROOT")


def find_home(settings: Settings) -> Home:
    """Return where this installation's files are; makes nothing.

    Raises:
        SettingsError: it is nowhere: ``STILE_HOME`` is not set, and the user has no home.
    """
    if settings.home is not None:
        return Home(settings.home.resolve())
    if checkout := settings.root or _checkout():
        return Home(checkout.resolve() / ".stile")
    try:
        data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    except RuntimeError:
        raise SettingsError("there is no home folder for this user: set STILE_HOME") from None
    return Home(data / "stile")


def find_api_keys(settings: Settings) -> Path:
    """Return the file of API keys; makes nothing.

    Raises:
        SettingsError: neither it nor ``STILE_HOME`` is set, and the user has no home.
    """
    named = settings.api_keys
    return (named if isinstance(named, Path) else find_home(settings).api_keys).absolute()


def _checkout() -> Path | None:
    return next((folder for folder in Path(__file__).resolve().parents if _is_root(folder)), None)


def _is_root(folder: Path) -> bool:
    return (folder / "nats" / "nats-server.conf").is_file() and (folder / "models" / "models.toml").is_file()
