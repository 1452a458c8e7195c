"""A part's log: a file that does not grow without end, the terminal, and the last lines for a farewell."""

import logging
from collections import deque
from logging.handlers import RotatingFileHandler
from pathlib import Path

from stile.terminal import Terminal

MAX_BYTES = 10_000_000
KEPT = 3
"""Older files beside the newest one: at most 40 MB a part."""
LAST_LINES = 15
_MAX_LINE = 64 * 1024


class PartLog:
    """Takes a part's output as it comes, in pieces of any size."""

    def __init__(self, name: str, folder: Path, terminal: Terminal) -> None:
        self._name = name
        self._terminal = terminal
        self._handler = RotatingFileHandler(
            folder / f"{name}.log", maxBytes=MAX_BYTES, backupCount=KEPT, encoding="utf-8"
        )
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._rest = b""

    @property
    def last_lines(self) -> tuple[str, ...]:
        """What the part said last, oldest first."""
        return tuple(self._last)

    def feed(self, data: bytes) -> None:
        """Take a piece of output; a line is written when it is whole, or too long to wait for its end."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._write(line)
        if len(self._rest) > _MAX_LINE:
            self._write(self._rest)
            self._rest = b""

    def end(self) -> None:
        """Write what came without a line's end."""
        if self._rest:
            self._write(self._rest)
            self._rest = b""

    def close(self) -> None:
        """Close the file."""
        self.end()
        self._handler.close()

    def _write(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        self._last.append(text)
        self._handler.emit(logging.LogRecord(self._name, logging.INFO, "", 0, text, None, None))
        self._terminal.line(self._name, text)
