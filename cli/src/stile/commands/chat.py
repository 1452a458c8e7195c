"""`stile chat`: asks a question, or holds a conversation, over HTTP or over NATS."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from stile.chat.conversation import Asked, Conversation
from stile.chat.events import Done
from stile.chat.screen import Screen
from stile.errors import ArgumentError
from stile.home import LOCAL_CLIENT, find_home
from stile.services import gateway
from stile.settings import Settings
from stile_runtime.variables import SettingsError

REFUSED = 4
"""The exit code if the filter refused the question or its answer."""
STOPPED = 130
"""The exit code after Ctrl-C, as of any program (128 and the signal)."""


def chat(  # noqa: PLR0913 -- one parameter an option
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUESTION", help="What to ask; - stands for the standard input."),
    ] = None,
    *,
    url: Annotated[
        str | None,
        typer.Option(help="The gateway. Default: STILE_HOST and STILE_PORT, OPENAI_BASE_URL, this machine."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Which model; any, if it is left out.")] = None,
    system: Annotated[str | None, typer.Option(help="A system message.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="The answer's limit.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole answer as JSON, on one line.")] = False,
    history: Annotated[
        bool, typer.Option(help="Keep what you type, for the arrow keys, in a file of your own.")
    ] = True,
    nats: Annotated[bool, typer.Option("--nats", help="Ask over NATS, as a direct client.")] = False,
    client: Annotated[
        str | None, typer.Option(help="With --nats: which client of `stile clients list`.")
    ] = None,
    nkey_file: Annotated[
        Path | None, typer.Option(help="With --nats: the client's key file, on another machine.")
    ] = None,
    nats_url: Annotated[
        str | None, typer.Option(envvar="STILE_NATS_URL", help="With --nats: nats-server, if elsewhere.")
    ] = None,
) -> None:
    """Ask a question, or hold a conversation if there is none.

    The answer is written as it comes. The place in the queue is shown on stderr. Without a terminal,
    the question is read from the standard input.

    Exit codes: 0 answered, 1 no answer, 2 wrong usage, 4 refused, 130 stopped by Ctrl-C.
    """
    settings = Settings.load()
    if nats:
        asked: Asked = _bus(settings, client, nkey_file, nats_url)
    elif client or nkey_file:
        raise ArgumentError("--client and --nkey-file go with --nats")
    else:
        asked = gateway.find(settings, url)
    given = {"model": model, "max_tokens": max_tokens}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    conversation = Conversation(asked, Screen(shows_words=not as_json), options, system)

    def answered(done: Done) -> None:
        if as_json:
            typer.echo(json.dumps(done.reply, ensure_ascii=False))

    question = _question(words or [])
    if question is None:
        conversation.hold(_history_file() if history else None, answered)
        return
    try:
        done = conversation.ask(question)
    except KeyboardInterrupt:
        raise typer.Exit(STOPPED) from None
    answered(done)
    if done.is_refused:
        raise typer.Exit(REFUSED)


def _question(words: list[str]) -> str | None:
    """Return the question; None if a person is to type it."""
    if not words:
        if sys.stdin.isatty():
            return None
        words = ["-"]
    read = "-" in words
    text = sys.stdin.buffer.read().decode(errors="replace").strip() if read else ""
    question = " ".join("\n\n" + text if word == "-" else word for word in words).strip()
    if not question:
        raise ArgumentError("there is no question: give one, or send it to the standard input")
    return question


def _bus(settings: Settings, client: str | None, nkey_file: Path | None, url: str | None) -> Asked:
    from stile.chat import bus  # noqa: PLC0415 -- nats-py takes 0.3 s that a question over HTTP need not pay
    from stile.keys import credentials  # noqa: PLC0415 -- so does nkeys

    seed = nkey_file or credentials.seed_file(find_home(settings).clients, client or LOCAL_CLIENT)
    if not seed.is_file():
        raise SettingsError(f"{seed}: there is no such key; `stile clients list` shows the clients")
    return bus.Bus(settings.login(seed, bus.INBOX, url))


def _history_file() -> Path:
    """Return where programs keep such files (XDG's base directories)."""
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "stile" / "chat-history"
