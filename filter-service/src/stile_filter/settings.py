"""What the environment says: read once, at the start."""

from pathlib import Path

from pydantic import Field, FilePath, field_validator

from stile_filter.admission.signing import FileSigner, NoSigner, read_key
from stile_filter.guard.policy import PolicyPath
from stile_runtime import settings
from stile_runtime.installation import POLICY_FILE


class Places(settings.Settings):
    """Where the files of an installation are, for the service and for its commands."""

    home: Path | None = None
    """The folder of the installation."""
    models_dir: Path | None = None
    """The folder of the weights, if it is not in ``home``."""
    archive: Path | None = None
    """The folder of the sealed archive."""

    @property
    def weights(self) -> Path | None:
        """Where `stile guard pull` puts a scanner's model."""
        return self.models_dir or (self.home / "models" if self.home is not None else None)


class Settings(settings.ServiceSettings, Places):
    """The service's settings; ``docs/configuration.md`` has a row for each."""

    policy: PolicyPath | None = None
    """Without it, the policy in ``home`` counts as soon as it is there."""
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
