"""What the environment says: read once, at the start."""

from pathlib import Path

from pydantic import Field, FilePath, field_validator

from stile_filter.admission.signing import FileSigner, NoSigner, read_key
from stile_filter.guard.policy import PolicyPath
from stile_runtime.installation import POLICY_FILE
from stile_runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """The service's settings; ``docs/configuration.md`` has a row for each."""

    policy: PolicyPath | None = None
    home: Path | None = None
    """The folder of the installation. Without ``policy``, the policy in it counts as soon as it is there."""
    archive: Path | None = None
    """The folder of the sealed archive."""
    signing_key: FilePath | None = None
    filter_host: str = "127.0.0.1"
    filter_port: int | None = Field(None, ge=1, le=65535)

    @field_validator("signing_key")
    @classmethod
    def _holds_a_signing_seed(cls, file: Path | None) -> Path | None:
        if file is not None:
            try:
                read_key(file)
            except OSError as error:
                raise ValueError("it can't be read") from error
        return file

    @property
    def own_policy(self) -> Path | None:
        """The owner's policy, which may come at any time; None if ``policy`` names the file."""
        return self.home / POLICY_FILE if self.home is not None and self.policy is None else None

    def signer(self) -> FileSigner | NoSigner:
        """Make what signs approvals."""
        return FileSigner(self.signing_key) if self.signing_key else NoSigner()
