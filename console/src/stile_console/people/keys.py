"""Changes of the file of API keys; a running gateway takes them up within a second or two."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from stile_console.errors import ConflictError, FileError, InvalidError, NotFoundError
from stile_contracts.subjects import Lane
from stile_runtime import api_keys
from stile_runtime.api_keys import ApiKey, KeyFileError

MOST_AT_ONCE = 200
"""Keys made by one request."""


class Limits(BaseModel):
    """What a key's client may do."""

    lane: Lane = Lane.INTERACTIVE
    max_in_flight: Annotated[int, Field(ge=1, le=10_000)] | None = None
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


def read(path: Path) -> tuple[ApiKey, ...]:
    """Return all keys; a file that is not there has none.

    Raises:
        FileError: it can't be read, or holds no keys.
    """
    try:
        return api_keys.read(path).keys if path.exists() else ()
    except KeyFileError as error:
        raise FileError(f"API keys: {error}") from error


def add(path: Path, names: Sequence[str], limits: Limits, *, owner: bool = False) -> list[tuple[str, str]]:
    """Make a key for each name, all or none; return the names with their keys.

    Raises:
        InvalidError: a name is none for a key, or stands there twice; or there are too many.
        ConflictError: a key has one of the names.
        FileError: the file can't be read or written.
    """
    if not 0 < len(names) <= MOST_AT_ONCE:
        raise InvalidError(f"Give 1 to {MOST_AT_ONCE} names.")
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise InvalidError(f"These names are there twice: {', '.join(twice)}")
    made = []
    for name in names:
        try:
            made.append(
                api_keys.make(
                    name,
                    lane=limits.lane,
                    max_in_flight=limits.max_in_flight,
                    requests_per_minute=limits.requests_per_minute,
                    owner=owner,
                )
            )
        except ValidationError as error:
            raise InvalidError(f"{name!r} is no name for a key: 1 to 59 of A-Z a-z 0-9 - _") from error

    def with_them(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        if taken := sorted({key.name for key in keys} & set(names)):
            raise ConflictError(f"There are keys of these names already: {', '.join(taken)}")
        return (*keys, *(entry for _, entry in made))

    _change(path, with_them)
    return [(entry.name, key) for key, entry in made]


def limit(path: Path, name: str, limits: Limits) -> None:
    """Give the key other limits.

    Raises:
        NotFoundError: there is no key of this name.
        FileError: the file can't be read or written.
    """

    def limited(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        _require({name}, keys)
        new = limits.model_dump()
        return tuple(key.model_copy(update=new) if key.name == name else key for key in keys)

    _change(path, limited)


def revoke(path: Path, names: Sequence[str]) -> None:
    """Take keys back, all of them or none.

    Raises:
        NotFoundError: there is no key of one of the names.
        FileError: the file can't be read or written.
    """

    def without_them(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        _require(set(names), keys)
        return tuple(key for key in keys if key.name not in names)

    _change(path, without_them)


def _require(names: set[str], keys: tuple[ApiKey, ...]) -> None:
    if unknown := sorted(names - {key.name for key in keys}):
        raise NotFoundError(f"There is no key of this name: {', '.join(unknown)}")


def _change(path: Path, changed: Callable[[tuple[ApiKey, ...]], tuple[ApiKey, ...]]) -> None:
    try:
        api_keys.change(path, changed)
    except KeyFileError as error:
        raise FileError(f"API keys: {error}") from error
