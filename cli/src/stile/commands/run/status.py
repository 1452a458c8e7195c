"""`stile status`: which parts run, and what state they are in."""

import typer

from stile.home import find_home
from stile.settings import Settings
from stile.shell import listing
from stile_runtime.installation import state
from stile_runtime.installation.state import NAMES, PartStatus

NOT_RUNNING = 3
"""The exit code that init scripts use for it (LSB)."""


def status(*, as_json: listing.AsJson = False) -> None:
    """Show each part's process, state, port and restarts.

    Exit code 3 if nothing runs.
    """
    home = find_home(Settings.load())
    running = state.read(home.state)
    parts = running.parts if running else tuple(PartStatus(name) for name in NAMES)
    if running is not None or as_json:
        described = [
            {"name": p.name, "state": p.state, "pid": p.pid, "port": p.port, "restarts": p.restarts}
            for p in parts
        ]
        listing.show(described, as_json=as_json, empty="")
    if running is None:
        if not as_json:
            typer.echo(f"Stile is not running in {home.folder}: `stile up` starts it.")
        raise typer.Exit(NOT_RUNNING)
