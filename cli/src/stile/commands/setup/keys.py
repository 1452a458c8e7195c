"""`stile keys`: the API keys that the gateway asks for, and the key that signs approvals."""

import contextlib
import time
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from stile import http, listing
from stile.home import find_api_keys, find_home
from stile.keys import api_keys, signing
from stile.settings import Settings
from stile_contracts.subjects import Lane
from stile_runtime.api_keys import ApiKey, make
from stile_runtime.installation import state
from stile_runtime.variables import SettingsError

commands = typer.Typer(
    rich_markup_mode=None, help="The API keys that the gateway asks for, as soon as there is one."
)

_ASKED = "From now on every request needs a key: `Authorization: Bearer …`."
_TAKEN_UP_SECONDS = 5.0
"""How long a running gateway may take to read the changed file; it looks every second."""
_ASK_SECONDS = 0.2
"""Between two requests to see whether it has."""


@commands.command()
def add(
    name: Annotated[str, typer.Argument(help="Letters, digits, - and _; at most 59.")],
    lane: Annotated[Lane, typer.Option(help="Of its requests; batch: no other.")] = Lane.INTERACTIVE,
    max_in_flight: Annotated[int | None, typer.Option(min=1, help="Its requests at once.")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="Its requests a minute.")] = None,
    owner: Annotated[bool, typer.Option("--owner", help="It opens the console, too.")] = False,  # noqa: FBT002 -- typer's way to describe a flag
) -> None:
    """Make a key and show it, this once: only its digest is kept."""
    settings = Settings.load()
    path = find_api_keys(settings)
    try:
        key, entry = make(
            name,
            lane=lane,
            max_in_flight=max_in_flight,
            requests_per_minute=requests_per_minute,
            owner=owner,
        )
    except ValidationError as error:
        raise SettingsError(f"{name!r} is no name for a key: 1 to 59 of A-Z a-z 0-9 - _") from error

    def with_it(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        if any(known.name == name for known in keys):
            raise SettingsError(f"there is a key {name} already: revoke it first, or choose another name")
        return (*keys, entry)

    api_keys.change(path, with_it)
    typer.echo(key)
    typer.echo(_what_follows(settings), err=True)


@commands.command("list")
def list_(*, as_json: listing.AsJson = False) -> None:
    """List the keys, by name, with their lanes and limits."""
    rows = [
        {
            "name": key.name,
            "lane": key.lane,
            "at_once": key.max_in_flight,
            "a_minute": key.requests_per_minute,
            "created": key.created.isoformat() if key.created else None,
        }
        for key in api_keys.read(find_api_keys(Settings.load())).keys
    ]
    listing.show(rows, as_json=as_json, empty="No keys: `stile keys add NAME` makes one.")


@commands.command()
def revoke(name: Annotated[str, typer.Argument(help="As `stile keys list` shows it.")]) -> None:
    """Take a key back; a gateway that runs knows within a second or two."""

    def without_it(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        left = tuple(key for key in keys if key.name != name)
        if len(left) == len(keys):
            raise SettingsError(f"there is no key {name}: see `stile keys list`")
        return left

    api_keys.change(find_api_keys(Settings.load()), without_it)


@commands.command("rotate-signing")
def rotate_signing(
    folder: Annotated[
        Path | None, typer.Option(help="Where signing.key lies. Default: credentials/ of STILE_HOME.")
    ] = None,
    revoke: Annotated[  # noqa: FBT002 -- typer's way to describe a flag
        bool,
        typer.Option("--revoke", help="The key so far is known to others: drop what it has signed, too."),
    ] = False,
) -> None:
    """Have a new key sign what the filter approves, without a restart or a lost request."""
    where = folder or find_home(Settings.load()).credentials
    key_id = signing.rotate(where, revoke=revoke)
    typer.echo(f"Approvals are signed by {key_id} from now on: {signing.seed_file(where)}")
    typer.echo(f"What the consumers believe: {signing.public_file(where)}")


def _what_follows(settings: Settings) -> str:
    """Say whether a key is asked for now; a running gateway of this installation is asked."""
    if settings.api_keys == "off":
        return "STILE_API_KEYS=off: no key is asked for until a gateway is started without it."
    try:
        running = state.read(find_home(settings).state)
    except SettingsError:  # this machine has no installation: the file is for a gateway elsewhere
        running = None
    if running is None:
        return _ASKED
    deadline = time.monotonic() + _TAKEN_UP_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(*http.Faults):
            if http.get(f"{settings.url}/queue", seconds=_TAKEN_UP_SECONDS).status == 401:
                return _ASKED
        time.sleep(_ASK_SECONDS)
    return (
        "The gateway that runs asks for no key: it was started with STILE_API_KEYS=off, with another "
        "file, or does not answer. Start it anew without that variable."
    )
