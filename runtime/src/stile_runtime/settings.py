"""Settings that come from ``STILE_…`` variables; docs/configuration.md explains each.

Each program has one class with its own variables, derived from these, and calls ``load`` once, at
its start.
"""

import ssl
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

import nkeys
from pydantic import BeforeValidator, FilePath, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from stile_runtime import tls
from stile_runtime.login import Login
from stile_runtime.variables import PREFIX
from stile_runtime.variables import SettingsError as SettingsError  # noqa: PLC0414 -- importers of this module have it too
from stile_runtime.variables import variable as variable  # noqa: PLC0414 -- importers of this module have it too


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Several values in one variable, with commas between them."""


class Settings(BaseSettings):
    """The settings of every program: the TLS of its connection to nats-server.

    An empty variable counts as one that is not set, because compose files and unit files set empty
    ones.

    Raises:
        ValidationError: pydantic's, from the class itself; ``load`` raises SettingsError instead.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, hide_input_in_errors=True
    )

    nats_tls_ca: FilePath | None = None
    nats_tls_cert: FilePath | None = None
    nats_tls_key: FilePath | None = None

    @model_validator(mode="after")
    def _tls_can_be_used(self) -> Self:
        self.tls()
        return self

    def tls(self) -> ssl.SSLContext | None:
        """Make the TLS context of a connection to nats-server, or None if none of the variables is set.

        Raises:
            ValueError: a file can't be used; the message names its variable.
        """
        return tls.client_context(self.nats_tls_ca, self.nats_tls_cert, self.nats_tls_key)

    @classmethod
    def load(cls) -> Self:
        """Read the environment.

        Raises:
            SettingsError: the first variable that can't be used.
        """
        try:
            return cls()
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            reason = first["msg"].removeprefix("Value error, ")
            # A message about several variables together names them itself.
            name = f"{variable(str(first['loc'][0]))}: " if first["loc"] else ""
            raise SettingsError(name + reason) from error


class ServiceSettings(Settings):
    """The settings of every service besides: nats-server's address, the service's key, its logs."""

    nats_url: str = "nats://127.0.0.1:4222"
    nats_nkey_file: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"

    def login(self, inbox: str) -> Login:
        """Return the service's login; the subjects of its replies begin with ``inbox``."""
        return Login(self.nats_url, self.nats_nkey_file, self.tls(), inbox)

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _in_lower_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("nats_url")
    @classmethod
    def _is_a_nats_url(cls, value: str) -> str:
        for url in value.split(","):
            parts = urlsplit(url.strip())
            if parts.scheme not in {"nats", "tls", "ws", "wss"} or not parts.hostname:
                raise ValueError("give nats://HOST:PORT, several with commas between them")
        return value

    @field_validator("nats_nkey_file")
    @classmethod
    def _holds_a_seed(cls, value: Path | None) -> Path | None:
        if value is None:
            return None
        try:
            nkeys.from_seed(bytearray(value.read_bytes().strip())).wipe()
        except OSError as error:
            raise ValueError(f"the file can't be read: {error.strerror}") from error
        except (nkeys.NkeysError, ValueError) as error:
            raise ValueError("the file holds no nkey seed") from error
        return value
