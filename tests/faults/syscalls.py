"""What strace wrote, as calls that began and ended at places of its file."""

import re
from dataclasses import dataclass
from pathlib import Path
from shutil import which

CALLS = "pwrite64,write,writev,fsync,fdatasync"
_LINE = re.compile(r"(?P<thread>\d+) +(?P<text>.*)")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(?P<rest>.*)")
_UNFINISHED = " <unfinished ...>"


def wrapper(file: Path) -> tuple[str, ...]:
    """Return the command that has strace watch what follows it; empty where there is no strace.

    ``-D``: the watched program keeps its place, so that signals meant for it reach it.
    """
    strace = which("strace")
    return (
        (strace, "-D", "-f", "-yy", "-s", "4096", "-e", f"trace={CALLS}", "-o", str(file)) if strace else ()
    )


@dataclass(frozen=True)
class Call:
    """One system call; ``began`` and ``ended`` are lines, so they order calls of all threads."""

    text: str
    began: int
    ended: int


def read(file: Path) -> list[Call]:
    """Read the calls that have ended, in the order of their ends."""
    calls: list[Call] = []
    open_calls: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(file.read_text(errors="replace").splitlines()):
        if not (read := _LINE.fullmatch(line)):
            continue
        thread, text = read["thread"], read["text"]
        if text.endswith(_UNFINISHED):
            open_calls[thread] = (text.removesuffix(_UNFINISHED), number)
        elif resumed := _RESUMED.fullmatch(text):
            begun, began = open_calls.pop(thread)
            calls.append(Call(begun + resumed["rest"], began, number))
        else:
            calls.append(Call(text, number, number))
    return calls
