"""Readers of one variable's text. Each raises ValueError with a sentence that does not show the text."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args


class Secret:
    """A text that is not shown by accident."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Secret(…)"

    def get_secret_value(self) -> str:
        """Return the text."""
        return self._text


def reader(hint: Any) -> Callable[[str], Any]:  # noqa: ANN401 -- a type as it is written
    """Return the reader of a field that is ``Annotated[…, reader]``, or that or None."""
    while not hasattr(hint, "__metadata__"):
        hint = get_args(hint)[0]
    found: Callable[[str], Any] = hint.__metadata__[0]
    return found


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return a reader of whole numbers from ``least`` to ``most``."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError("should be a whole number") from None
        if number < least:
            raise ValueError(f"should be {least} or more")
        if most is not None and number > most:
            raise ValueError(f"should be {most} or less")
        return number

    return read


def file(text: str) -> Path:
    """Read the path of a file that is there."""
    path = Path(text)
    if not path.is_file():
        raise ValueError("there is no such file")
    return path


def http_url(text: str) -> str:
    """Read an address of HTTP; a slash at its end is left out."""
    if not text.startswith(("http://", "https://")):
        raise ValueError("should begin with http:// or https://")
    return text.rstrip("/")


def model_name(text: str) -> str:
    """Read a model's name. llama.cpp and the worker would read some characters in another way."""
    if text.startswith("-") or not text.isprintable() or any(mark in text for mark in ",/\\"):
        raise ValueError("should have no comma, slash or backslash, and not begin with a dash")
    return text


def on_or_off(text: str) -> Literal["on", "off"]:
    """Read a switch."""
    if text not in ("on", "off"):
        raise ValueError("should be on or off")
    return "on" if text == "on" else "off"


def off_or_path(text: str) -> Literal["off"] | Path:
    """Read ``off``, or a path."""
    return "off" if text == "off" else Path(text)
