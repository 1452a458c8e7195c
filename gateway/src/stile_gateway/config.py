"""The gateway's settings, read once from the environment; docs/configuration.md explains each."""

import ipaddress
import ssl
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

import nkeys
from pydantic import Field, FilePath, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from stile_contracts import tls
from stile_contracts.api_keys import KEY_FILE
from stile_gateway import keyring
from stile_gateway.clients import hosts

PREFIX = "STILE_"


class SettingsError(Exception):
    """A setting cannot be used; the message names its variable and why."""


class Settings(BaseSettings):
    """What can be set; seconds, bytes or characters as the names say.

    Raises:
        SettingsError: from ``load`` alone; the class itself raises pydantic's ValidationError.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, hide_input_in_errors=True
    )

    host: str = Field("127.0.0.1", min_length=1)
    port: int = Field(8000, ge=1, le=65535)
    nats_url: str = "nats://127.0.0.1:4222"
    nats_nkey_file: Path | None = None
    nats_tls_ca: FilePath | None = None
    nats_tls_cert: FilePath | None = None
    nats_tls_key: FilePath | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"

    accept_timeout: float = Field(30, gt=0, le=3600)
    answer_timeout: float = Field(600, gt=0, le=86400)
    unheard_timeout: float = Field(60, ge=0, le=86400)
    shutdown_seconds: float = Field(20, ge=0, le=3600)
    keep_alive_seconds: int = Field(15, ge=1, le=3600)

    max_body_bytes: int = Field(1024 * 1024, ge=1024, le=64 * 1024 * 1024)
    max_header_bytes: int = Field(32 * 1024, ge=1024, le=1024 * 1024)
    max_prompt_chars: int | None = Field(None, ge=1)
    max_message_chars: int | None = Field(None, ge=1)
    max_messages: int | None = Field(None, ge=1)
    max_in_flight: int = Field(2000, ge=1)
    max_held_bytes: int = Field(64 * 1024 * 1024, ge=1024)

    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    hosts: Annotated[tuple[str, ...], NoDecode] = ()
    api_keys: Literal["off"] | Path | None = None
    home: Path | None = None

    @field_validator("cors_origins", "trusted_proxies", "hosts", mode="before")
    @classmethod
    def _comma_separated(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

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
            raise ValueError(f"the file cannot be read: {error.strerror}") from error
        except (nkeys.NkeysError, ValueError) as error:
            raise ValueError("the file holds no nkey seed") from error
        return value

    @field_validator("api_keys")
    @classmethod
    def _holds_keys(cls, value: Literal["off"] | Path | None) -> Literal["off"] | Path | None:
        if isinstance(value, Path):
            try:
                keyring.read(value)
            except keyring.KeyFileError as error:
                raise ValueError(str(error)) from error
        return value

    @field_validator("hosts")
    @classmethod
    def _are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(name.lower().rstrip(".") for name in value)
        if not all(hosts.NAME.fullmatch(name) or hosts.as_address(name) for name in names):
            raise ValueError("give names or addresses without ports, several with commas between them")
        return names

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            if address != "*":
                ipaddress.ip_network(address)  # its ValueError says what is wrong
        return value

    @model_validator(mode="after")
    def _tls_can_be_used(self) -> Self:
        self.tls()
        return self

    def tls(self) -> ssl.SSLContext | None:
        """Make what the connection to nats-server is secured with, or None where it is not.

        Raises:
            ValueError: a file can't be used; the message names its variable.
        """
        return tls.client_context(self.nats_tls_ca, self.nats_tls_cert, self.nats_tls_key)

    @model_validator(mode="after")
    def _home_holds_keys_if_any(self) -> Self:
        if self.api_keys is None and self.key_file is not None and keyring.is_there(self.key_file):
            try:
                keyring.read(self.key_file)
            except keyring.KeyFileError as error:
                raise ValueError(f"{variable('home')}: {KEY_FILE}: {error}") from error
        return self

    @property
    def key_file(self) -> Path | None:
        """The file whose keys are asked for as soon as it is there; None where none are, whatever happens."""
        match self.api_keys:
            case "off":
                return None
            case Path() as named:
                return named
        return self.home and self.home / KEY_FILE

    @model_validator(mode="after")
    def _holds_a_body(self) -> Self:
        if self.max_held_bytes < self.max_body_bytes:
            raise ValueError("STILE_MAX_HELD_BYTES must not be less than STILE_MAX_BODY_BYTES")
        return self

    @model_validator(mode="after")
    def _accepts_before_it_answers(self) -> Self:
        if self.accept_timeout > self.answer_timeout:
            raise ValueError("STILE_ACCEPT_TIMEOUT must not be longer than STILE_ANSWER_TIMEOUT")
        return self


def variable(field: str) -> str:
    """Name the environment variable of a field."""
    return PREFIX + field.upper()


def load() -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsError: a value cannot be used; one line that names its variable.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        reason = first["msg"].removeprefix("Value error, ")
        where = f"{variable(str(first['loc'][0]))}: " if first["loc"] else ""
        raise SettingsError(f"{where}{reason}") from error
