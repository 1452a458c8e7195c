"""What one look has found."""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from stile.errors import StileError
from stile_runtime.variables import SettingsError


class Level(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARNING = "warning"
    """It works, but the owner should know."""
    WRONG = "wrong"


class Warned(Exception):  # noqa: N818 -- it is no error
    """It works, but the owner should read the message."""


class Finding(NamedTuple):
    """One line of `stile doctor`."""

    name: str
    level: Level
    text: str


Check = tuple[str, Callable[[], str]]
"""Its name, and a function that returns what is well, or raises ``Warned`` or StileError."""


def find(checks: Iterable[Check]) -> Iterator[Finding]:
    """Look at one after another."""
    for name, check in checks:
        try:
            yield Finding(name, Level.OK, check())
        except Warned as warning:
            yield Finding(name, Level.WARNING, str(warning))
        except (StileError, SettingsError) as error:
            yield Finding(name, Level.WRONG, str(error))
