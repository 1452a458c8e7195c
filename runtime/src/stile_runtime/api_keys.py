"""The file of API keys: `stile keys` and the console change it, the gateway reads it; JSON, version 1.

A key is 256 random bits, so the file holds its plain SHA-256: nobody can find the key by guessing.
The slow, salted hashes that weak passwords need (https://www.rfc-editor.org/rfc/rfc9106) would cost
every request tens of milliseconds and protect nothing more.
"""

import fcntl
import hashlib
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from stile_contracts.subjects import HTTP_CLIENT_PREFIX, Lane
from stile_runtime.installation import files
from stile_runtime.names import KEY_FILE as KEY_FILE  # noqa: PLC0414 -- importers of this module have it too
from stile_runtime.names import KEY_PREFIX as PREFIX

NAME = r"[A-Za-z0-9_-]{1,59}"
"""A key's name: with ``http-`` before it, it is the client's name on the bus, one token of 64 at
most."""


class KeyFileError(ValueError):
    """The file can't be read or written, or holds no keys; the message shows nothing of what is in it."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ApiKey(_Entry):
    """One key, without the key."""

    name: Annotated[str, Field(pattern=f"^{NAME}$")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Of the key, lower-case hex."""
    lane: Lane = Lane.INTERACTIVE
    """The lane of its requests; a key of ``batch`` can't use another."""
    max_in_flight: Annotated[int, Field(ge=1)] | None = None
    """How many of its requests a gateway holds at once."""
    requests_per_minute: Annotated[int, Field(ge=1)] | None = None
    """How many of its requests a gateway accepts in a minute."""
    created: AwareDatetime | None = None
    owner: bool = False
    """Whether it opens the console, too."""

    @property
    def client(self) -> str:
        """The name on the bus of the client that has it."""
        return HTTP_CLIENT_PREFIX + self.name


class ApiKeys(_Entry):
    """All keys of an installation."""

    keys: tuple[ApiKey, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        if len({key.name for key in self.keys}) != len(self.keys):
            raise ValueError("two keys have one name")
        return self


def new_key() -> str:
    """Make a key."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(key: str) -> str:
    """Return what is kept of ``key``."""
    return hashlib.sha256(key.encode()).hexdigest()


def read(path: Path) -> ApiKeys:
    """Read the file.

    Raises:
        KeyFileError: it can't be read, or holds no keys.
    """
    try:
        return ApiKeys.model_validate_json(path.read_bytes())
    except OSError as error:
        raise KeyFileError(f"the file cannot be read: {error.strerror}; `stile keys add` makes it") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise KeyFileError(f"the file holds no keys: {where or 'it'}: {first['msg']}") from error


def make(
    name: str,
    *,
    lane: Lane = Lane.INTERACTIVE,
    max_in_flight: int | None = None,
    requests_per_minute: int | None = None,
    owner: bool = False,
) -> tuple[str, ApiKey]:
    """Make a key; return it, and what is kept of it. The arguments are the fields of ``ApiKey``.

    Raises:
        ValidationError: pydantic's: a field is not what it may be.
    """
    key = new_key()
    entry = ApiKey(
        name=name,
        sha256=digest(key),
        lane=lane,
        max_in_flight=max_in_flight,
        requests_per_minute=requests_per_minute,
        created=datetime.now(UTC).replace(microsecond=0),
        owner=owner,
    )
    return key, entry


def change(path: Path, changed: Callable[[tuple[ApiKey, ...]], tuple[ApiKey, ...]]) -> None:
    """Replace the keys by ``changed`` of them, one change after another; a file that is not there has none.

    Raises:
        KeyFileError: the file can't be read or written, or holds no keys.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.with_name(f".{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = read(path).keys if path.exists() else ()
            keys = ApiKeys(keys=changed(found))
            files.replace(path, keys.model_dump_json(indent=2, exclude_none=True) + "\n")
    except OSError as error:
        raise KeyFileError(f"the file cannot be written: {error.strerror}") from error
