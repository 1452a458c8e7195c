"""Writes the help of every command into docs/cli.md: ``python -m stile.shell.reference docs/cli.md``."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command

from stile.main import app

MARK = "## Every command"
"""The heading below which the page is generated."""
_COLUMNS = "80"


def reference() -> str:
    """Return the generated part of the page, from its heading on."""
    os.environ["COLUMNS"] = _COLUMNS
    said = "This part is generated from the commands themselves (`make reference`), and a test compares it."
    parts = [f"{MARK}\n\n{said}\n"]
    for name, text in _helps("stile", get_command(app)):
        level = "###" if name.count(" ") < 2 else "####"
        parts.append(f"{level} `{name}`\n\n```text\n{text.rstrip()}\n```\n")
    return "\n".join(parts)


def replaced(page: str) -> str:
    """Return the page with the part below ``MARK`` generated anew."""
    return page.partition(MARK)[0] + reference()


def _helps(name: str, command: Any, parent: Any = None) -> Iterator[tuple[str, str]]:  # noqa: ANN401 -- typer's classes are its own
    context = command.make_context(name.rpartition(" ")[2], [], parent=parent, resilient_parsing=True)
    yield name, command.get_help(context)
    if isinstance(command, TyperGroup):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            # The filter reads the arguments of some of `stile policy`: their help is its own.
            if found is not None and found.get_help_option_names(context):
                yield from _helps(f"{name} {child}", found, context)


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(replaced(file.read_text()))
