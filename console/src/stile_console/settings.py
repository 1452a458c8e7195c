"""The console's settings, read once from the environment; docs/configuration.md explains each."""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from stile_runtime.api_keys import KEY_FILE
from stile_runtime.installation import console_tokens
from stile_runtime.settings import CommaSeparated, ServiceSettings
from stile_runtime.web import hosts


class Settings(ServiceSettings):
    """What can be set."""

    console_host: str = Field("127.0.0.1", min_length=1)
    console_port: int = Field(8090, ge=1, le=65535)
    console_hosts: CommaSeparated = ()
    """Further names and addresses of this machine that the console may be reached by."""
    home: Path
    """The folder with the owner's files."""
    api_keys: Literal["off"] | Path | None = None
    policy: Path
    """The policy's file that is in use as long as there is no ``policy_target``."""
    policy_target: Path | None = None
    """Where a changed policy is written; None: it may not be changed here."""
    archive: Path | None = None
    """The folder of the sealed archive, if the requests in it can be judged again here."""
    gateway_url: str = "http://127.0.0.1:8000"
    """Where the gateway says whether it is ready."""
    public_url: str | None = None
    """Of the chat page, as the people with keys reach it."""

    @field_validator("console_hosts")
    @classmethod
    def _are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return hosts.further_names(value)

    @field_validator("gateway_url", "public_url")
    @classmethod
    def _is_an_http_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("give http://HOST:PORT")
        return value.rstrip("/")

    @property
    def key_file(self) -> Path:
        """The file of API keys."""
        return self.api_keys if isinstance(self.api_keys, Path) else self.home / KEY_FILE

    @property
    def token_file(self) -> Path:
        """The file of the tokens that open the console."""
        return self.home / console_tokens.FILE
