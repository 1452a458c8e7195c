"""`stile status`: which parts run, and how they fare."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from stile.home import find_home
from stile.settings import Settings
from stile.supervise.parts import NAMES
from stile_runtime.installation import state
from stile_runtime.installation.state import PartStatus

NOT_RUNNING = 3
"""The exit code that init scripts use for it (LSB)."""


def status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:  # noqa: FBT002 -- typer's way to describe a flag
    """Show each part's process, state, port and restarts; exit code 3 if nothing runs."""
    home = find_home(Settings.load())
    running = state.read(home.state)
    parts = running.parts if running else tuple(PartStatus(name) for name in NAMES)
    if as_json:
        described = [
            {"name": p.name, "pid": p.pid, "state": p.state, "port": p.port, "restarts": p.restarts}
            for p in parts
        ]
        typer.echo(json.dumps(described, indent=2))
    elif running is None:
        typer.echo(f"Stile is not running in {home.folder}: `stile up` starts it.")
    else:
        _show(parts)
    if running is None:
        raise typer.Exit(NOT_RUNNING)


def _show(parts: tuple[PartStatus, ...]) -> None:
    table = Table(box=None)
    for heading in ("part", "state", "pid", "port", "restarts"):
        table.add_column(heading, justify="left" if heading in ("part", "state") else "right")
    for part in parts:
        table.add_row(part.name, part.state, str(part.pid or ""), str(part.port or ""), str(part.restarts))
    Console(highlight=False).print(table)
