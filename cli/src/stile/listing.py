"""Lists, as people and as programs read them.

A terminal gets aligned columns; whatever is not a terminal gets a line for each row, with tabs between
the columns. Neither cuts a value short.
"""

import json
import sys
from collections.abc import Mapping, Sequence

import typer
from rich import box
from rich.console import Console
from rich.table import Table

Row = Mapping[str, str | int | float | None]
"""Its columns, in their order."""


def show(rows: Sequence[Row], *, as_json: bool, empty: str) -> None:
    """Print a list to stdout.

    Args:
        rows: all with the same columns.
        as_json: whether as one JSON array; it has ``null`` where a terminal has nothing.
        empty: what a terminal gets if there are no rows.
    """
    if as_json:
        typer.echo(json.dumps([dict(row) for row in rows], indent=2))
    elif not sys.stdout.isatty():
        for row in [dict(zip(rows[0], rows[0], strict=True)), *rows] if rows else ():
            typer.echo("\t".join(_cell(value) for value in row.values()))
    elif not rows:
        typer.echo(empty)
    else:
        Console(highlight=False, soft_wrap=True).print(table(rows))


def table(rows: Sequence[Row]) -> Table:
    """Make a table of rows for a terminal; no value is cut short."""
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading, value in rows[0].items():
        numbers = isinstance(value, int | float)
        made.add_column(heading.replace("_", " "), justify="right" if numbers else "left", no_wrap=True)
    for row in rows:
        made.add_row(*(_cell(value) for value in row.values()))
    return made


def _cell(value: str | float | None) -> str:
    return "" if value is None else str(value)
