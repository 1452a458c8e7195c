"""`stile keys`: the API keys that the gateway asks for as soon as there is one."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import httpx
import typer
from pydantic import ValidationError

from stile import state
from stile.errors import CredentialsError
from stile.settings import Settings, find_api_keys, find_home
from stile_contracts.subjects import Lane
from stile_runtime.api_keys import ApiKey, ApiKeys, digest, new_key
from stile_runtime.settings import SettingsError

commands = typer.Typer(help="The API keys that the gateway asks for, as soon as there is one.")

_ASKED = "From now on every request needs a key: `Authorization: Bearer …`."
_TAKEN_UP_SECONDS = 5.0
"""Within which a gateway that runs has looked at the file; it does so every second."""
_ASK_SECONDS = 0.2
"""Between two questions whether it has."""


@commands.command()
def add(
    name: Annotated[str, typer.Argument(help="Letters, digits, - and _; at most 59.")],
    lane: Annotated[Lane, typer.Option(help="Of its requests; batch: no other.")] = Lane.INTERACTIVE,
    max_in_flight: Annotated[int | None, typer.Option(min=1, help="Its requests at once.")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="Its requests a minute.")] = None,
) -> None:
    """Make a key and show it, this once: only its digest is kept."""
    settings = Settings.load()
    path = find_api_keys(settings)
    key = new_key()
    try:
        entry = ApiKey(
            name=name,
            sha256=digest(key),
            lane=lane,
            max_in_flight=max_in_flight,
            requests_per_minute=requests_per_minute,
            created=datetime.now(UTC).replace(microsecond=0),
        )
    except ValidationError as error:
        raise SettingsError(f"{name!r} is no name for a key: 1 to 59 of A-Z a-z 0-9 - _") from error

    def with_it(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        if any(known.name == name for known in keys):
            raise SettingsError(f"there is a key {name} already: revoke it first, or choose another name")
        return (*keys, entry)

    _change(path, with_it)
    typer.echo(key)
    typer.echo(_what_follows(settings), err=True)


@commands.command("list")
def list_() -> None:
    """List the keys, by name, with their lanes and limits."""
    for key in _read(find_api_keys(Settings.load())).keys:
        limits = (
            f"{key.max_in_flight} at once" if key.max_in_flight else "",
            f"{key.requests_per_minute} a minute" if key.requests_per_minute else "",
        )
        created = key.created.isoformat() if key.created else ""
        typer.echo("\t".join((key.name, key.lane, ", ".join(filter(None, limits)), created)))


@commands.command()
def revoke(name: Annotated[str, typer.Argument(help="As `stile keys list` shows it.")]) -> None:
    """Take a key back; a gateway that runs knows within a second or two."""

    def without_it(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        left = tuple(key for key in keys if key.name != name)
        if len(left) == len(keys):
            raise SettingsError(f"there is no key {name}: see `stile keys list`")
        return left

    _change(find_api_keys(Settings.load()), without_it)


def _what_follows(settings: Settings) -> str:
    """Say whether a key is asked for now; a gateway of this installation that runs is asked."""
    if settings.api_keys == "off":
        return "STILE_API_KEYS=off: no key is asked for until a gateway is started without it."
    try:
        running = state.read(find_home(settings).state)
    except SettingsError:  # no installation of this machine's: the file is for a gateway elsewhere
        running = None
    if running is None:
        return _ASKED
    deadline = time.monotonic() + _TAKEN_UP_SECONDS
    with httpx.Client(timeout=_TAKEN_UP_SECONDS, trust_env=False) as client:
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if client.get(f"{settings.url}/queue").status_code == 401:
                    return _ASKED
            time.sleep(_ASK_SECONDS)
    return (
        "The gateway that runs asks for no key: it was started with STILE_API_KEYS=off, with another "
        "file, or does not answer. Start it anew without that variable."
    )


def _read(path: Path) -> ApiKeys:
    try:
        return ApiKeys.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return ApiKeys()
    except OSError as error:
        raise CredentialsError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise CredentialsError(f"{path} holds no API keys: mend it, or move it away") from error


def _change(path: Path, change: Callable[[tuple[ApiKey, ...]], tuple[ApiKey, ...]]) -> None:
    """Replace the file whole, so that a gateway never reads half of it, one change after another."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.with_name(f".{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keys = ApiKeys(keys=change(_read(path).keys))
            draft = path.with_name(f".{path.name}.new")
            draft.unlink(missing_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(keys.model_dump_json(indent=2, exclude_none=True) + "\n")
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)
    except OSError as error:
        raise CredentialsError(f"{path} cannot be written: {error.strerror}") from error
