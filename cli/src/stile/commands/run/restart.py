"""`stile restart`: parts are ended and started again, by the `stile up` that runs."""

import os
import signal
import time
from typing import Annotated

import typer

from stile.errors import PartError, StileError
from stile.home import Home, find_home
from stile.services import policy
from stile.settings import Settings
from stile_runtime.installation import files, state
from stile_runtime.installation.state import NAMES, PartState, PartStatus

_WITHIN = 600.0
"""Longer than a large model takes to load."""


def restart(
    parts: Annotated[list[str] | None, typer.Argument(metavar="PART", help=f"Of {', '.join(NAMES)}.")] = None,
) -> None:
    """End parts and start them again, one after another. Without a name, all parts.

    Requests wait meanwhile, and none is lost. The parts keep the variables of `stile up`.
    """
    settings = Settings.load()
    home = find_home(settings)
    running = state.read(home.state)
    if running is None:
        raise StileError(f"Stile is not running in {home.folder}: `stile up` starts it")
    if not running.takes_restarts:
        raise StileError("the `stile up` that runs is of an earlier version: `stile down`, then `stile up`")
    if not running.ready:
        raise StileError("Stile is still starting: try again when it is ready")
    chosen = _choose(running.parts, parts or [])
    if "filter-service" in chosen:
        policy.check(settings, home)  # a filter that refuses its policy would stop everything
    before = {part.name: part.pid for part in running.parts}
    files.replace(home.restarts, "\n".join(chosen))
    os.kill(running.pid, signal.SIGUSR1)
    _wait(home, running.pid, {name: before[name] for name in chosen})


def _wait(home: Home, supervisor: int, before: dict[str, int | None]) -> None:
    """Wait until each part is ready as another process than ``before``."""
    waiting = list(before)
    deadline = time.monotonic() + _WITHIN
    while waiting:
        now = state.read(home.state)
        if now is None or now.pid != supervisor:
            raise PartError("Stile has ended meanwhile: its log says why")
        for part in now.parts:
            if part.name in waiting and part.state == PartState.STOPPED:
                raise PartError(_given_up(part.name))
            if (
                part.name in waiting
                and part.state == PartState.RUNNING
                and part.pid not in (None, before[part.name])
            ):
                waiting.remove(part.name)
                typer.echo(f"{part.name}: ready again")
        if time.monotonic() > deadline:
            raise PartError(f"not ready after {_WITHIN:g} s: {', '.join(waiting)}; see `stile logs`")
        time.sleep(0.1)


def _choose(there: tuple[PartStatus, ...], wanted: list[str]) -> list[str]:
    """Return the parts to restart, in the order in which they are started."""
    known = {part.name: part for part in there}
    for name in wanted:
        if name not in known:
            raise StileError(f"there is no part {name}; there are: {', '.join(known)}")
        if known[name].state == PartState.EXTERNAL:
            raise StileError(f"{name} was not started here (STILE_LLAMA_URL): restart it where it runs")
        if known[name].state == PartState.STOPPED:
            raise PartError(_given_up(name))
    return [
        name
        for name, part in known.items()
        if (name in wanted if wanted else part.state not in (PartState.EXTERNAL, PartState.STOPPED))
    ]


def _given_up(name: str) -> str:
    return f"{name} was given up: `stile logs {name}` says why; then `stile down` and `stile up`"
