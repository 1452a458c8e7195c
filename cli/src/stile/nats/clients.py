"""Direct clients: programs that send requests over NATS, each in an account of its own."""

from pathlib import Path

from stile.home import Home
from stile.keys import credentials
from stile_contracts import subjects
from stile_runtime.installation import state
from stile_runtime.variables import SettingsError

_TAKEN = ("APP", "SYS", subjects.GATEWAY)
"""Accounts of nats/accounts.conf, and the origin of requests that come over HTTP."""


def make(home: Home, name: str) -> None:
    """Make the client's seed.

    Raises:
        SettingsError: no client may have this name, or one has it already.
    """
    seed = credentials.seed_file(home.clients, name)
    if not subjects.is_token(name):
        raise SettingsError(f"{name!r} is no name for a client: 1 to 64 of A-Z a-z 0-9 - _")
    if name.startswith(subjects.HTTP_CLIENT_PREFIX) or name in _TAKEN:
        raise SettingsError(f"{name!r} is a name that Stile uses itself: choose another")
    if seed.exists():
        raise SettingsError(f"there is a client {name} already: its key is {seed}")
    credentials.ensure(home.clients, (name,))


def set_aside(home: Home, name: str) -> Path:
    """Take the client's seed away from the others; return where it is now.

    Raises:
        SettingsError: there is no such client.
    """
    seed = credentials.seed_file(home.clients, name)
    if not subjects.is_token(name) or not seed.is_file():
        raise SettingsError(f"there is no client {name}: see `stile clients list`")
    return seed.replace(seed.with_suffix(".removed"))


def registered(home: Home) -> dict[str, str]:
    """Return every client's public key by its name."""
    names = sorted(path.stem for path in home.clients.glob("*.nk"))
    return credentials.ensure(home.clients, tuple(names))


def request_line(connection_flags: str) -> str:
    """Return a `nats` command line that asks a question; the flags say where and as which user."""
    return f'nats req chat.request \'{{"prompt": "Why is the sky blue?"}}\' {connection_flags} --timeout 5m'


def server_pid(home: Home) -> int | None:
    """Return the process id of the nats-server that `stile up` runs here, or None."""
    running = state.read(home.state)
    return next((part.pid for part in running.parts if part.name == "nats"), None) if running else None
