"""A part's log: a file of bounded size, the terminal, and the last lines for an error message."""

import logging
import math
import time
from collections import deque
from logging.handlers import RotatingFileHandler
from pathlib import Path

from stile.supervise.terminal import Terminal

MAX_BYTES = 10_000_000
KEPT = 3
"""Older files beside the newest one: at most 40 MB a part."""
LAST_LINES = 15
_MAX_LINE = 64 * 1024


class PartLog:
    """Takes a part's output as it comes, in pieces of any size.

    What a part with ``quotes_requests`` writes may hold text of a request as soon as it is ready:
    its lines are held back until it is known that it was not ready when it wrote them.
    """

    def __init__(self, name: str, folder: Path, terminal: Terminal, *, quotes_requests: bool = False) -> None:
        self._name = name
        self._terminal = terminal
        self._handler = RotatingFileHandler(
            folder / f"{name}.log", maxBytes=MAX_BYTES, backupCount=KEPT, encoding="utf-8"
        )
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._rest = b""
        self._quotes_requests = quotes_requests
        self._held: list[tuple[float, bytes]] = []
        self._is_withheld = False

    @property
    def last_lines(self) -> tuple[str, ...]:
        """What the part said last, oldest first."""
        return tuple(self._last)

    def feed(self, data: bytes) -> None:
        """Take a piece of output; a line is written when it is whole, or longer than 64 KiB."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._write(line)
        if len(self._rest) > _MAX_LINE:
            self._write(self._rest)
            self._rest = b""

    def was_not_ready(self, at: float) -> None:
        """Write what came before ``at`` (monotonic clock): the part was not ready then."""
        while self._held and self._held[0][0] < at:
            self._write_out(self._held.pop(0)[1])

    def is_ready(self) -> None:
        """Withhold all output since the part was last known not to be ready."""
        if self._quotes_requests:
            self._held.clear()
            self._is_withheld = True
            self._write_out(b"(From here on its output is not kept: it may quote requests.)")

    def end(self) -> None:
        """Write what is left at the part's end. One that never was ready has had no request."""
        if self._rest:
            self._write(self._rest)
            self._rest = b""
        self.was_not_ready(math.inf)
        self._is_withheld = False

    def close(self) -> None:
        """Close the file."""
        self.end()
        self._handler.close()

    def _write(self, line: bytes) -> None:
        if self._is_withheld:
            return
        if self._quotes_requests:
            self._held.append((time.monotonic(), line))
        else:
            self._write_out(line)

    def _write_out(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        self._last.append(text)
        self._handler.emit(logging.LogRecord(self._name, logging.INFO, "", 0, text, None, None))
        self._terminal.line(self._name, text)
