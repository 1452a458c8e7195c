"""`stile doctor`: looks at what commonly goes wrong, and says what to do about each."""

import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial

import psutil
import typer

from stile import guard, http, policy
from stile.errors import StileError
from stile.home import Home, Root, find_home, find_root
from stile.keys import credentials, signing
from stile.models.catalogue import Catalogue
from stile.settings import Settings
from stile.supervise import parts
from stile.supervise.programs import program
from stile_runtime.installation import state
from stile_runtime.installation.state import PartState, PartStatus, State


def doctor() -> None:
    """Check what commonly goes wrong, and say what to do about it."""
    settings = Settings.load()
    root = find_root(settings)
    home = find_home(settings)
    running = state.read(home.state)
    failed = False
    for what, check in _checks(settings, root, home, running):
        try:
            typer.echo(f"ok    {what}: {check()}")
        except StileError as error:
            failed = True
            typer.echo(f"WRONG {what}: {error}")
    if failed:
        raise typer.Exit(1)


def _checks(
    settings: Settings, root: Root, home: Home, running: State | None
) -> Iterator[tuple[str, Callable[[], str]]]:
    for name in ("nats-server", "stile-filter", "stile-consumer", "stile-gateway"):
        yield name, partial(program, name)
    yield "compiler", _compiler
    yield "keys", lambda: _keys(home)
    yield "signing", lambda: _signing(home, running)
    if settings.llama_url is None:
        yield "model", lambda: _model(settings, root)
    yield "policy", lambda: _policy(settings, home, running)
    if running is None:
        yield "ports", lambda: _ports(settings)
    else:
        for part in running.parts:
            yield part.name, partial(_part, part, home)
        yield "answers", lambda: _answers(settings)


def _compiler() -> str:
    if found := shutil.which("cargo"):
        return found
    # Not wrong by itself: the consumer may be built already, and maturin can bring a Rust of its
    # own.
    return "no cargo on PATH; to build the consumer anew, install Rust (https://rustup.rs)"


def _keys(home: Home) -> str:
    there = [user for user in credentials.USERS if credentials.seed_file(home.credentials, user).exists()]
    if there:
        credentials.ensure(home.credentials, tuple(there))
    return f"{len(there)} of {len(credentials.USERS)} made, in {home.credentials}"


def _signing(home: Home, running: State | None) -> str:
    if running is None and not home.credentials.exists():
        return "no key yet; `stile up` makes it"
    return signing.check(home.credentials)


def _model(settings: Settings, root: Root) -> str:
    weights = Catalogue(root).weights(settings.model)
    needed, free = weights.path.stat().st_size, psutil.virtual_memory().available
    if needed > free:
        raise StileError(
            f"{weights.name} is {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB of memory are free: "
            "choose a smaller one (`stile models list`)"
        )
    return f"{weights.path}, {needed / 1e9:.1f} GB; {free / 1e9:.1f} GB of memory are free"


def _policy(settings: Settings, home: Home, running: State | None) -> str:
    port = running.port("filter-service") if running else None
    if port is None:
        return str(policy.check(settings, home))
    if reason := guard.refused_policy(parts.filter_url(port)):
        raise StileError(reason)
    return "the file is in use"


def _ports(settings: Settings) -> str:
    parts.check_ports(settings)
    return "free"


def _answers(settings: Settings) -> str:
    url = parts.consumer_url(settings)
    try:
        body = json.loads(http.get(url, seconds=5.0).text)
        reason = body.get("reason")
    except (*http.Faults, ValueError, AttributeError) as error:
        raise StileError(f"the consumer does not say how it is, on {url}") from error
    if reason is not None:
        raise StileError(f"the consumer takes no request: {reason}")
    return "the consumer takes requests"


def _part(part: PartStatus, home: Home) -> str:
    if part.state not in (PartState.RUNNING, PartState.EXTERNAL):
        raise StileError(f"{part.state}, after {part.restarts} restarts: see {home.logs / part.name}.log")
    return f"{part.state}, {part.restarts} restarts"
