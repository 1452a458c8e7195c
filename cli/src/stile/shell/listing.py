"""Lists, as people and as programs read them.

A terminal gets aligned columns; whatever is not a terminal gets a line for each row, with tabs between
the columns. Neither cuts a value short, and neither has control characters: a value may be a client's.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from stile.shell import controls

Value = str | int | float | bool | None
Row = Mapping[str, Value]
"""Its columns, in their order."""

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
"""The option of every list."""


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
        typer.echo(table(rows))


def table(rows: Sequence[Row]) -> str:
    """Align rows for a terminal, below their headings. The terminal wraps lines that are too long for it."""
    headings = [heading.replace("_", " ") for heading in rows[0]]
    lines = [headings, *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    numbers = [all(_is_number(row[heading]) for row in rows) for heading in rows[0]]
    return "\n".join(
        "  ".join(
            value.rjust(width) if is_number else value.ljust(width)
            for value, width, is_number in zip(line, widths, numbers, strict=True)
        ).rstrip()
        for line in lines
    )


def _is_number(value: Value) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return "" if value is None else controls.replaced(str(value))
