"""What the environment says: read once, at the start."""

import ssl
from pathlib import Path
from typing import Literal, Self

import nkeys
from pydantic import Field, FilePath, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stile_contracts import tls
from stile_filter.errors import SettingError
from stile_filter.signing import FileSigner, Unsigned, read_key


def default_policy() -> Path:
    """Find the policy that comes with the service: in the wheel, or in the checkout."""
    packaged = Path(__file__).parent / "policy.yml"
    return packaged if packaged.exists() else Path(__file__).parents[2] / "policy.yml"


class Settings(BaseSettings):
    """The service's settings; ``docs/configuration.md`` has a row for each."""

    model_config = SettingsConfigDict(env_prefix="STILE_", env_ignore_empty=True, frozen=True)

    nats_url: str = "nats://127.0.0.1:4222"
    nats_nkey_file: FilePath | None = None
    nats_tls_ca: FilePath | None = None
    nats_tls_cert: FilePath | None = None
    nats_tls_key: FilePath | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    policy: Path = Field(default_factory=default_policy)
    signing_key: FilePath | None = None
    filter_host: str = "127.0.0.1"
    filter_port: int | None = Field(None, ge=1, le=65535)

    @field_validator("nats_nkey_file")
    @classmethod
    def _holds_a_seed(cls, file: Path | None) -> Path | None:
        if file is not None:
            try:
                nkeys.from_seed(bytearray(file.read_bytes().strip()))
            except (OSError, nkeys.NkeysError) as error:
                raise ValueError("it holds no seed") from error
        return file

    @field_validator("signing_key")
    @classmethod
    def _holds_a_signing_seed(cls, file: Path | None) -> Path | None:
        if file is not None:
            try:
                read_key(file)
            except OSError as error:
                raise ValueError("it can't be read") from error
        return file

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

    def signer(self) -> FileSigner | Unsigned:
        """Make what signs approvals."""
        return FileSigner(self.signing_key) if self.signing_key else Unsigned()

    @classmethod
    def read(cls) -> "Settings":
        """Read the environment.

        Raises:
            SettingError: names each variable that can't be used, one a line.
        """
        try:
            return cls()
        except ValidationError as error:
            raise SettingError(
                "\n".join(
                    # What several settings together are wrong about names its variables itself.
                    f"STILE_{str(fault['loc'][0]).upper()}: {fault['msg']}" if fault["loc"] else fault["msg"]
                    for fault in error.errors()
                )
            ) from error
