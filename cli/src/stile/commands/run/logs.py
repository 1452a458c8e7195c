"""`stile logs`: what the parts have said, and what they say now."""

import os
import sys
import time
from collections import deque
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from stile.errors import StileError
from stile.home import Home, find_home
from stile.settings import Settings
from stile_runtime.installation.state import NAMES

_LOOK_SECONDS = 0.2


def logs(
    parts: Annotated[
        list[str] | None,
        typer.Argument(metavar="PART", help=f"Of {', '.join(NAMES)}; up: `stile up -d`."),
    ] = None,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show new lines as they come, until Ctrl-C.")
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="How many of the last lines of each part.")
    ] = 40,
) -> None:
    """Show the last lines of the parts' logs."""
    home = find_home(Settings.load())
    tails = [_Tail(name, file) for name, file in _files(home, parts or []).items()]
    width = max((len(tail.name) for tail in tails), default=0) if len(tails) > 1 else 0
    try:
        for tail in tails:
            _write(tail.last(lines), tail.name, width)
        while follow:
            for tail in tails:
                _write(tail.new(), tail.name, width)
            time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _files(home: Home, wanted: list[str]) -> dict[str, Path]:
    known = {"up": home.up_log} | {name: home.logs / f"{name}.log" for name in NAMES}
    for name in wanted:
        if name not in known:
            raise StileError(f"there is no part {name}; there are: {', '.join(known)}")
    found = {name: file for name, file in known.items() if (name in wanted if wanted else file.exists())}
    if not any(file.exists() for file in found.values()):
        raise StileError(f"there is no log in {home.logs} yet: `stile up` starts the parts")
    return found


def _write(lines: list[bytes], name: str, width: int) -> None:
    before = f"{name:<{width}} | ".encode() if width else b""
    for line in lines:
        sys.stdout.buffer.write(before + line + b"\n")
    sys.stdout.buffer.flush()


class _Tail:
    """The end of a log, which may be replaced by a new one at any moment."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""

    def last(self, count: int) -> list[bytes]:
        """Return the last lines there are now."""
        return list(deque(self.new(), maxlen=count))

    def new(self) -> list[bytes]:
        """Return the whole lines that were written since, of a new file too if it was replaced."""
        lines = self._read()
        if self._is_replaced():
            if self._file is not None:
                self._file.close()
                self._file = None
            lines += self._read()
        return lines

    def _read(self) -> list[bytes]:
        if self._file is None:
            try:
                self._file = self._path.open("rb")
            except OSError:
                return []
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        return lines

    def _is_replaced(self) -> bool:
        try:
            there = self._path.stat()
        except OSError:
            return False
        return self._file is None or not os.path.samestat(there, os.fstat(self._file.fileno()))
