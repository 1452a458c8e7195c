"""The gateway's settings, read once from the environment; docs/configuration.md explains each."""

import ipaddress
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from stile_runtime import api_keys
from stile_runtime.api_keys import KEY_FILE, KeyFileError
from stile_runtime.settings import CommaSeparated, ServiceSettings, variable
from stile_runtime.watched_file import version
from stile_runtime.web import hosts


class Settings(ServiceSettings):
    """What can be set; seconds, bytes or characters as the names say."""

    host: str = Field("127.0.0.1", min_length=1)
    port: int = Field(8000, ge=1, le=65535)

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

    cors_origins: CommaSeparated = ()
    trusted_proxies: CommaSeparated = ()
    hosts: CommaSeparated = ()
    api_keys: Literal["off"] | Path | None = None
    home: Path | None = None

    @field_validator("api_keys")
    @classmethod
    def _holds_keys(cls, value: Literal["off"] | Path | None) -> Literal["off"] | Path | None:
        if isinstance(value, Path):
            api_keys.read(value)
        return value

    @field_validator("hosts")
    @classmethod
    def _are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return hosts.further_names(value)

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            for address in value:
                if address != "*":
                    ipaddress.ip_network(address)
        except ValueError as error:
            raise ValueError("give addresses or networks, several with commas between them") from error
        return value

    @model_validator(mode="after")
    def _home_holds_keys_if_any(self) -> Self:
        if self.api_keys is None and self.key_file is not None and version(self.key_file):
            try:
                api_keys.read(self.key_file)
            except KeyFileError as error:
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
