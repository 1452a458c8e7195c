"""`stile down`: stops what `stile up` started."""

import os
import signal
import time

import typer

from stile.errors import StileError
from stile.home import find_home
from stile.settings import Settings
from stile_runtime.installation import state

_WITHIN = 120.0
"""Longer than all parts together may take to finish what they hold."""


def down() -> None:
    """Stop every part, in order, and wait until they are gone."""
    home = find_home(Settings.load())
    running = state.read(home.state)
    if running is None:
        typer.echo(f"Stile is not running in {home.folder}.")
        return
    os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + _WITHIN
    typer.echo("Stopping …")
    while state.created(running.pid) == running.created:
        if time.monotonic() > deadline:
            raise StileError(
                f"`stile up` (pid {running.pid}) did not end within {_WITHIN:g} s: "
                f"a second `stile down` kills it"
            )
        time.sleep(0.1)
    typer.echo("Stopped.")
