"""The `stile` command: the list of commands, and what becomes of their errors."""

import os
import sys
from collections.abc import Iterable
from typing import Annotated, ClassVar

import typer

from stile.errors import ArgumentError, PartError, StileError
from stile.shell.lazy import Entry, LazyGroup
from stile_runtime.variables import SettingsError, unknown


def _run(name: str, text: str) -> Entry:
    return Entry(f"stile.commands.run.{name}", name, text)


def _setup(name: str, text: str, attribute: str = "commands") -> Entry:
    return Entry(f"stile.commands.setup.{name}", attribute, text)


def _owner(name: str, text: str, module: str | None = None) -> Entry:
    return Entry(f"stile.commands.owner.{module or name}", name, text)


class Commands(LazyGroup):
    """All commands of `stile`; each help is the beginning of its command's own."""

    entries: ClassVar[dict[str, Entry]] = {
        "up": _run("up", "Start everything: nats-server, llama.cpp, the filter, the consumer, the gateway"),
        "down": _run("down", "Stop every part, in order, and wait until they are gone"),
        "restart": _run("restart", "End parts and start them again, one after another"),
        "logs": _run("logs", "Show the last lines of the parts' logs"),
        "status": _run("status", "Show each part's process, state, port and restarts"),
        "doctor": _run("doctor", "Check what commonly goes wrong, and say what to do about it"),
        "chat": Entry(
            "stile.commands.chat", "chat", "Ask a question, or hold a conversation if there is none"
        ),
        "console": _owner("console", "Print a link that opens the console"),
        "top": _owner("top", "Show who is answered and who waits"),
        "refusals": _owner("refusals", "List the refused requests and answers"),
        "usage": _owner("usage", "Show each client's requests, refusals, tokens and seconds of the model"),
        "hold": _owner("hold", "Put the queue on hold: requests are accepted and wait"),
        "resume": _owner("resume", "End the hold: what waits is answered", "hold"),
        "keys": _setup("keys", "The API keys that the gateway asks for, as soon as there is one"),
        "clients": _setup("clients", "Programs that send requests over NATS, each in an account of its own"),
        "models": _setup("models", "Which models there are, and their weights"),
        "policy": _setup("policy", "What may reach the model: change it, check it, test it"),
        "guard": _setup("guard", "Which layers of the filter are on, and the models of its classifiers"),
        "dlq": Entry(
            "stile.commands.dlq", "commands", "Requests that were given up: begun too often, never finished"
        ),
        "backup": _run("backup", "Write keys, secrets, clients, API keys, policy and archive into one file"),
        "restore": Entry("stile.commands.run.backup", "restore", "Put a backup into STILE_HOME"),
        "systemd": Entry("stile.commands.run.systemd", "commands", "Stile as a service of systemd"),
        "provision": _setup("provision", "Make the streams as nats/streams.json describes them", "provision"),
        "credentials": _setup(
            "credentials",
            "Make the seeds that are missing, and write the configuration that nats-server runs with",
            "credentials",
        ),
        "leaf": _setup("leaf", "Write the files that an edge site's nats-server needs", "leaf"),
    }


app = typer.Typer(
    help="Stile: a small language model behind a fence, for many.",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 -- typer's way to call back
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 -- 20 ms that no other command needs

        typer.echo(f"stile {version('stile-cli')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


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
    try:
        _check_arguments(sys.argv[1:])
        for sentence in unknown(os.environ):
            typer.echo(f"stile: {sentence}", err=True)
        app()
    except (SettingsError, StileError) as error:
        if isinstance(error, PartError) and error.last_lines:
            typer.echo("The last it said:\n" + "\n".join(f"  {line}" for line in error.last_lines), err=True)
        typer.echo(f"stile: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            raise
        typer.echo(f"stile: {error.filename}: {error.strerror}", err=True)
        sys.exit(1)
