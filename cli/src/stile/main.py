"""The `stile` command: puts the commands together, one module each."""

import logging
import sys
from collections.abc import Iterable

import typer

from stile.commands import chat, dlq, doctor, down, status, up
from stile.commands.owner import console, hold, refusals, top, usage
from stile.commands.setup import clients, credentials, guard, keys, leaf, models, policy, provision
from stile.errors import ArgumentError, PartError, StileError
from stile_runtime.settings import SettingsError

app = typer.Typer(
    help="Stile: a small language model behind a fence, for many.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(up.up)
app.command()(down.down)
app.command()(status.status)
app.command()(chat.chat)
app.command()(doctor.doctor)
app.command()(console.console)
app.command()(top.top)
app.command()(refusals.refusals)
app.command()(usage.usage)
app.command()(hold.hold)
app.command()(hold.resume)
app.add_typer(models.commands, name="models")
app.add_typer(guard.commands, name="guard")
app.add_typer(policy.commands, name="policy")
app.add_typer(clients.commands, name="clients")
app.add_typer(keys.commands, name="keys")
app.add_typer(dlq.commands, name="dlq")
app.command()(provision.provision)
app.command()(credentials.credentials)
app.command()(leaf.leaf)


def _check_arguments(arguments: Iterable[str]) -> None:
    """Check that the arguments are text.

    Raises:
        ArgumentError: one is not UTF-8.
    """
    for number, argument in enumerate(arguments, 1):
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise ArgumentError(f"argument {number} is not valid UTF-8") from error


def main() -> None:
    """Run a command; what goes wrong is one line on stderr and the exit code 1."""
    logging.getLogger("nats").setLevel(logging.CRITICAL)  # its errors are raised, and printed as one line
    try:
        _check_arguments(sys.argv[1:])
        app()
    except (SettingsError, StileError) as error:
        if isinstance(error, PartError) and error.last_lines:
            typer.echo("The last it said:\n" + "\n".join(f"  {line}" for line in error.last_lines), err=True)
        typer.echo(f"stile: {error}", err=True)
        sys.exit(1)
