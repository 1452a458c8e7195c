"""Lists, as every command shows them: for people, for programs, and as JSON.

On a terminal the columns are aligned, and nothing is cut off. Elsewhere a row is a line with tabs between its
values, without headings, for `cut` and `while read`.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
"""The option of every list."""

Value = str | int | float | bool | None


def show(rows: Sequence[Mapping[str, Value]], *, as_json: bool, empty: str) -> None:
    """Write rows to standard output.

    Args:
        rows: a value for each heading, in the order of the columns; all rows have the same headings.
        as_json: write a JSON array of objects instead.
        empty: said on stderr if there is no row.
    """
    if as_json:
        typer.echo(json.dumps(list(rows), indent=2))
    elif not rows:
        typer.echo(empty, err=True)
    elif sys.stdout.isatty():
        typer.echo(_aligned(rows))
    else:
        for row in rows:
            typer.echo("\t".join(_text(value) for value in row.values()))


def _aligned(rows: Sequence[Mapping[str, Value]]) -> str:
    headings = list(rows[0])
    lines = [headings, *([_text(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    right = [all(_is_number(row[heading]) for row in rows) for heading in headings]
    return "\n".join(
        "  ".join(
            value.rjust(width) if is_right else value.ljust(width)
            for value, width, is_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def _is_number(value: Value) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return "" if value is None else str(value)
