"""Commands whose modules are imported when they are called, and not before.

A command of `stile` imports only what it needs itself, so a short one costs as little as typer does.
"""

from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperGroup


class Entry(NamedTuple):
    """Where a command is."""

    module: str
    name: str
    """A function, or a ``typer.Typer`` with several."""
    help: str
    """The beginning of its own help, for the list of commands."""


class LazyGroup(TyperGroup):
    """A group whose commands stand in ``entries``."""

    entries: ClassVar[dict[str, Entry]] = {}

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 -- typer's signature
        """Return the names, in the order of the list."""
        return list(self.entries)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002 -- typer keeps its class to itself
        """Import a command, and return it; None if there is none of that name."""
        entry = self.entries.get(cmd_name)
        return _command(cmd_name, entry) if entry else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 -- see above
        """Write the list of commands without importing one of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.entries.items()])


def _command(name: str, entry: Entry) -> Any:  # noqa: ANN401 -- see above
    found = getattr(import_module(entry.module), entry.name)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(name)(found)
        found = alone
    command = typer.main.get_command(found)
    command.name = name
    return command
