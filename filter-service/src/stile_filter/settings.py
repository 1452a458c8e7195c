"""What the environment says: read once, at the start."""

from pathlib import Path

from pydantic import Field, FilePath, field_validator

from stile_filter.admission.signing import FileSigner, NoSigner, read_key
from stile_filter.guard.policy import default_policy
from stile_runtime.settings import ServiceSettings


def _shipped(name: str) -> Path:
    """Return the file of this name that comes with the service: in the wheel, or in the checkout."""
    return default_policy().parent / name


class Settings(ServiceSettings):
    """The service's settings; ``docs/configuration.md`` has a row for each."""

    policy: Path = Field(default_factory=default_policy)
    archive: Path | None = None
    """The folder of the sealed archive."""
    signing_key: FilePath | None = None
    filter_host: str = "127.0.0.1"
    filter_port: int | None = Field(None, ge=1, le=65535)

    @field_validator("policy")
    @classmethod
    def _may_be_a_name(cls, policy: Path) -> Path:
        """Take a bare name for a policy that comes with the service: ``school``."""
        if policy.suffix or policy.name != str(policy):
            return policy
        return _shipped(f"presets/{policy.name}.yml")

    @field_validator("signing_key")
    @classmethod
    def _holds_a_signing_seed(cls, file: Path | None) -> Path | None:
        if file is not None:
            try:
                read_key(file)
            except OSError as error:
                raise ValueError("it can't be read") from error
        return file

    def signer(self) -> FileSigner | NoSigner:
        """Make what signs approvals."""
        return FileSigner(self.signing_key) if self.signing_key else NoSigner()
