"""`stile keys`: the API keys that the gateway asks for, and the key that signs approvals."""

import contextlib
import itertools
import re
import time
from pathlib import Path
from typing import Annotated

import typer

from stile.home import find_api_keys, find_home
from stile.keys import api_keys, signing
from stile.services import http
from stile.settings import Settings
from stile.shell import listing
from stile_contracts.subjects import Lane
from stile_runtime.api_keys import NAME, ApiKey, make
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
def add(  # noqa: PLR0913 -- one parameter an option
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Letters, digits, - and _; at most 59.")
    ] = None,
    *,
    count: Annotated[
        int, typer.Option(min=0, max=1000, help="How many more to make, named by --prefix.")
    ] = 0,
    prefix: Annotated[str, typer.Option(help="Of --count: pupil makes pupil-01, pupil-02 …")] = "key",
    lane: Annotated[Lane, typer.Option(help="Of its requests; batch: no other.")] = Lane.INTERACTIVE,
    max_in_flight: Annotated[int | None, typer.Option(min=1, help="Its requests at once.")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="Its requests a minute.")] = None,
    owner: Annotated[bool, typer.Option("--owner", help="It opens the console, too.")] = False,
    link: Annotated[
        bool, typer.Option("--link", help="Show links to the page that carry the keys, with QR codes.")
    ] = False,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write links and QR codes to print and cut out.")
    ] = None,
) -> None:
    """Make keys and show them, this once: only their digests are kept.

    A single key is printed by itself. Several keys are lines of a name and a key, with a tab between.
    The links begin with STILE_PUBLIC_URL, if it is set.
    """
    settings = Settings.load()
    path = find_api_keys(settings)
    if sheet is not None and sheet.exists():
        raise SettingsError(f"{sheet} is there already: choose another name for the sheet")
    made = _make(path, names or [], count, prefix, lane, max_in_flight, requests_per_minute, owner=owner)
    if link or sheet:
        from stile.keys import cards  # noqa: PLC0415 -- only this needs segno

        base, warning = cards.page(settings)
        links = [cards.Card(name, key, f"{base}/#key={key}") for name, key in made.items()]
        if sheet:
            cards.write_sheet(sheet, links)
            typer.echo(f"{sheet}: {len(links)} cards. It holds the keys: print it and delete it.", err=True)
        if link:
            cards.show(links)
        if warning:
            typer.echo(warning, err=True)
    elif len(made) == 1:
        typer.echo(next(iter(made.values())))
    else:
        typer.echo("\n".join(f"{name}\t{key}" for name, key in made.items()))
    typer.echo(_what_follows(settings), err=True)


def _make(  # noqa: PLR0913, PLR0917 -- one parameter an option
    path: Path,
    names: list[str],
    count: int,
    prefix: str,
    lane: Lane,
    max_in_flight: int | None,
    requests_per_minute: int | None,
    *,
    owner: bool,
) -> dict[str, str]:
    """Make the keys, all or none; return each by its name."""
    if not names and not count:
        raise SettingsError("give a name, or --count with --prefix")
    for name in (*names, *([f"{prefix}-{count:02}"] if count else [])):
        if not re.fullmatch(NAME, name):
            raise SettingsError(f"{name!r} is no name for a key: 1 to 59 of A-Z a-z 0-9 - _")
    made: dict[str, str] = {}

    def with_them(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        taken = {key.name for key in keys}
        entries = []
        for name in [*names, *_numbered(prefix, count, taken)]:
            if name in taken or name in made:
                raise SettingsError(f"there is a key {name} already: revoke it first, or choose another name")
            made[name], entry = make(
                name,
                lane=lane,
                max_in_flight=max_in_flight,
                requests_per_minute=requests_per_minute,
                owner=owner,
            )
            entries.append(entry)
        return (*keys, *entries)

    api_keys.change(path, with_them)
    return made


def _numbered(prefix: str, count: int, taken: set[str]) -> list[str]:
    """Return so many names with the lowest numbers that are free, of two digits or more."""
    digits = max(2, len(str(count)))
    free = (name for number in itertools.count(1) if (name := f"{prefix}-{number:0{digits}}") not in taken)
    return list(itertools.islice(free, count))


@commands.command("set")
def set_(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="As `stile keys list` shows them.")],
    *,
    lane: Annotated[Lane | None, typer.Option(help="Of their requests; batch: no other.")] = None,
    max_in_flight: Annotated[
        int | None, typer.Option(min=0, help="Their requests at once, each; 0: no limit.")
    ] = None,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=0, help="Their requests a minute, each; 0: no limit.")
    ] = None,
) -> None:
    """Change lane and limits of keys; a gateway that runs knows within a second or two."""
    given = {
        "lane": lane,
        "max_in_flight": max_in_flight,
        "requests_per_minute": requests_per_minute,
    }
    new = {name: value or None for name, value in given.items() if value is not None}
    if not new:
        raise SettingsError("say what to change: --lane, --max-in-flight, --requests-per-minute")

    def changed(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        if unknown := sorted(set(names) - {key.name for key in keys}):
            raise SettingsError(f"there is no key {', '.join(unknown)}: see `stile keys list`")
        return tuple(key.model_copy(update=new) if key.name in names else key for key in keys)

    api_keys.change(find_api_keys(Settings.load()), changed)


@commands.command("list")
def list_(*, as_json: listing.AsJson = False) -> None:
    """List the keys, by name, with their lanes and limits."""
    rows = [
        {
            "name": key.name,
            "lane": key.lane,
            "at_once": key.max_in_flight,
            "a_minute": key.requests_per_minute,
            "owner": key.owner,
            "created": key.created.isoformat() if key.created else None,
        }
        for key in api_keys.read(find_api_keys(Settings.load())).keys
    ]
    listing.show(rows, as_json=as_json, empty="No keys: `stile keys add NAME` makes one.")


@commands.command()
def revoke(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="As `stile keys list` shows them.")],
) -> None:
    """Take keys back, all of them or none; a gateway that runs knows within a second or two."""

    def without_them(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        if unknown := sorted(set(names) - {key.name for key in keys}):
            raise SettingsError(f"there is no key {', '.join(unknown)}: see `stile keys list`")
        return tuple(key for key in keys if key.name not in names)

    api_keys.change(find_api_keys(Settings.load()), without_them)


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
