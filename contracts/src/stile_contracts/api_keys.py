"""The file of API keys: `stile keys` writes it, the gateway reads it; JSON, version 1.

A key is 256 random bits, so its plain SHA-256 is kept: nobody can guess their way to it, and the slow, salted
hashes that weak passwords need (https://www.rfc-editor.org/rfc/rfc9106) would cost every request tens of
milliseconds and protect nothing more.
"""

import hashlib
import secrets
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from stile_contracts.subjects import HTTP_CLIENT_PREFIX, Lane

KEY_FILE = "api-keys.json"
"""The file's name in an installation's folder (``STILE_HOME``)."""
PREFIX = "sk-stile-"
"""What every key begins with, so that scanners for secrets can find one that got away."""
NAME = r"[A-Za-z0-9_-]{1,59}"
"""A key's name: with ``http-`` before it, it is the client's name on the bus, one token of 64 at most."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ApiKey(_Entry):
    """One key, without the key."""

    name: Annotated[str, Field(pattern=f"^{NAME}$")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Of the key, lower-case hex."""
    lane: Lane = Lane.INTERACTIVE
    """The lane of its requests; one whose lane is ``batch`` may not ask for another."""
    max_in_flight: Annotated[int, Field(ge=1)] | None = None
    """Requests of it that a gateway holds at once."""
    requests_per_minute: Annotated[int, Field(ge=1)] | None = None
    """Requests of it that a gateway takes in a minute."""
    created: AwareDatetime | None = None

    @property
    def client(self) -> str:
        """The name on the bus of whoever has it."""
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
