"""What people see: the parts' lines behind their names, and progress.

A terminal gets colours and a spinner; anything else (a file, systemd's journal) gets plain lines.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

_COLOURS = {
    "nats": "cyan",
    "llama": "magenta",
    "filter-service": "green",
    "rust-consumer": "yellow",
    "gateway": "blue",
    "console": "bright_black",
}
_WIDTH = max(map(len, _COLOURS))


class Terminal:
    """Standard output, as a person or a log file reads it.

    Args:
        shows_parts: the lines of the parts are shown; else only the supervisor's own sentences.
    """

    def __init__(self, *, shows_parts: bool = True) -> None:
        self._console = Console(highlight=False)
        self._shows_parts = shows_parts

    def line(self, part: str, text: str) -> None:
        """Show one line of a part's log."""
        if not self._shows_parts:
            return
        name = Text(f"{part:<{_WIDTH}} | ", style=_COLOURS.get(part, ""))
        self._console.print(name + Text(text), soft_wrap=True)

    def say(self, text: str) -> None:
        """Show a sentence of the supervisor's own."""
        self._console.print(Text(text), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Show what should not be overlooked."""
        self._console.print(Text(text, style="bold red"), soft_wrap=True)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show that something takes its time, for as long as the block runs."""
        if self._console.is_terminal:
            with self._console.status(Text(text)):
                yield
        else:
            self.say(text)
            yield
