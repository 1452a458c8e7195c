"""A conversation in a terminal: questions, answers, and the commands that begin with a slash."""

import json
import readline
import sys
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Protocol

from stile.chat.events import Done, Event
from stile.chat.screen import Screen
from stile.errors import StileError

HELP = """\
/model [NAME]   say which models there are, or choose one
/system [TEXT]  show the system message, or set it; "-" removes it
/save FILE      write the conversation: JSON if the name ends in .json, else Markdown
/new            begin a new conversation; model and system message stay
/help           this list
/quit           end, as Ctrl-D does

Ctrl-C stops an answer. A question of several lines begins and ends with \"\"\"."""

_QUOTES = '"""'
_HISTORY_LINES = 1000


class Asked(Protocol):
    """Where questions go: a gateway, or the bus."""

    def stream(self, request: dict[str, Any]) -> Generator[Event]:
        """Send a request and yield what is heard of it; cancel it if the iterator is closed."""

    def models(self) -> list[str]:
        """Return the names of the models."""


class Conversation:
    """One conversation.

    Args:
        asked: where the questions go.
        screen: what the person sees.
        options: fields of every request: ``model``, ``max_tokens``.
        system: the system message.
    """

    def __init__(
        self, asked: Asked, screen: Screen, options: dict[str, Any], system: str | None = None
    ) -> None:
        self._asked = asked
        self._screen = screen
        self._options = options
        self._system = system
        self.messages: list[dict[str, str]] = []
        """Questions and answers in turn, without the system message."""

    def ask(self, question: str) -> Done:
        """Ask, and show the answer; a refused question is no part of the conversation.

        Raises:
            StileError: there is no answer.
            KeyboardInterrupt: it was stopped; what there is of the answer stays.
        """
        user = {"role": "user", "content": question}
        system = [{"role": "system", "content": self._system}] if self._system else []
        request = {**self._options, "messages": [*system, *self.messages, user]}
        try:
            with closing(self._asked.stream(request)) as events:
                done = self._screen.show(events)
        except KeyboardInterrupt:
            if self._screen.written:
                self.messages += [user, {"role": "assistant", "content": self._screen.written}]
            raise
        if not done.is_refused:
            self.messages += [user, {"role": "assistant", "content": done.text}]
        return done

    def hold(self, history: Path | None, answered: Callable[[Done], None]) -> None:
        """Ask what is typed until Ctrl-D or ``/quit``.

        Args:
            history: the file of the lines that were typed, for the arrow keys; None: no file.
            answered: called with each answer.
        """
        self._screen.note("/help lists the commands; Ctrl-D ends.")
        with _history(history):
            while (line := self._read()) is not None:
                try:
                    if line.startswith("/"):
                        if self._command(*line.split(maxsplit=1)):
                            return
                    elif line:
                        answered(self.ask(line))
                except KeyboardInterrupt:
                    self._screen.note("(Stopped.)")
                except StileError as error:
                    self._screen.note(f"{error}")

    def _read(self) -> str | None:
        """Read a line, or the lines between quotes; None at the end of the input."""
        try:
            line = input(">>> ").strip()
            if not line.startswith(_QUOTES):
                return line
            lines = [line.removeprefix(_QUOTES)]
            while not lines[-1].rstrip().endswith(_QUOTES):
                lines.append(input("... "))
            return "\n".join(lines).rstrip().removesuffix(_QUOTES).strip()
        except KeyboardInterrupt:
            self._screen.note("")
            return ""
        except EOFError:
            self._screen.note("")
            return None

    def _command(self, name: str, value: str = "") -> bool:
        """Do what a command says; return whether it ends the conversation."""
        match name:
            case "/quit" | "/exit" | "/bye":
                return True
            case "/new":
                self.messages.clear()
                self._screen.note("A new conversation.")
            case "/model":
                self._model(value)
            case "/system":
                self._set_system(value)
            case "/save":
                self._save(value)
            case "/help":
                self._screen.note(HELP)
            case _:
                self._screen.note(f"There is no command {name}; /help lists them.")
        return False

    def _model(self, name: str) -> None:
        if name:
            self._options["model"] = name
            self._screen.note(f"{name} is asked from now on.")
            return
        chosen = self._options.get("model")
        for model in self._asked.models():
            self._screen.note(f"{'*' if model == chosen else ' '} {model}")

    def _set_system(self, text: str) -> None:
        if text:
            self._system = None if text == "-" else text
        self._screen.note(f"System message: {self._system}" if self._system else "No system message.")

    def _save(self, name: str) -> None:
        if not name:
            self._screen.note("Say where: /save FILE")
            return
        file = Path(name)
        try:
            file = file.expanduser()
            with file.open("x", encoding="utf-8") as opened:
                opened.write(self._as_json() if file.suffix == ".json" else self._as_markdown())
        except (OSError, RuntimeError) as error:  # RuntimeError: no user is called as after ~
            self._screen.note(f"{file}: {getattr(error, 'strerror', error)}")
            return
        self._screen.note(f"{len(self.messages)} messages are in {file}.")

    def _as_json(self) -> str:
        system = [{"role": "system", "content": self._system}] if self._system else []
        saved = {"model": self._options.get("model"), "messages": [*system, *self.messages]}
        return json.dumps(saved, indent=2, ensure_ascii=False) + "\n"

    def _as_markdown(self) -> str:
        parts = [f"## System\n\n{self._system}\n"] if self._system else []
        for message in self.messages:
            heading = "Question" if message["role"] == "user" else "Answer"
            parts.append(f"## {heading}\n\n{message['content']}\n")
        return "\n".join(parts)


class _history:  # noqa: N801 -- it is used like a function
    """Keeps what is typed in a file that only its owner can read."""

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def __enter__(self) -> None:
        readline.set_history_length(_HISTORY_LINES)
        if self._file is not None:
            with suppress(OSError):
                readline.read_history_file(self._file)

    def __exit__(self, *_: object) -> None:
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file.touch(mode=0o600)
            readline.write_history_file(self._file)
            self._file.chmod(0o600)
        except OSError as error:
            sys.stderr.write(f"{self._file}: what you typed is not kept: {error.strerror}\n")
