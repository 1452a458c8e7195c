"""The classifiers that the filter can scan with (models/models.toml), and their folders on this machine."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from stile.errors import ModelError
from stile.home import Root
from stile.models import models_file

_Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class File(BaseModel):
    """One file of a classifier."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    sha256: _Hex | None = None
    """None if it was never published: then the revision and the hub's TLS vouch for the file."""


class Classifier(BaseModel):
    """One entry of models.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """The name of its folder, as in the policy's ``model_path``."""
    rule: str
    """The id of the policy's scanner."""
    repository: str
    """On huggingface.co, or on the hub of ``HF_ENDPOINT``."""
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    subfolder: str = Field("", pattern=r"^([A-Za-z0-9_-]+/)?$")
    """The folder in the repository, with a slash at its end."""
    size: int = Field(gt=0)
    """Bytes of all files together, rounded."""
    licence: str
    terms: str | None = None
    """The address of a licence that the owner must accept; None: the model is downloaded by default."""
    files: tuple[File, ...] = Field(min_length=1)


class Classifiers:
    """The list, and the folder of the weights."""

    def __init__(self, root: Root) -> None:
        """Read the list.

        Raises:
            ModelError: it is no list of classifiers.
        """
        self.folder = root.weights
        self.all = models_file.read(models_file.place(root), "classifier", Classifier)

    def find(self, name: str) -> Classifier:
        """Look a classifier up by its name, or by the rule that it is for.

        Raises:
            ModelError: there is none of that name.
        """
        for classifier in self.all:
            if name in (classifier.name, classifier.rule):
                return classifier
        known = ", ".join(classifier.name for classifier in self.all)
        raise ModelError(f"no classifier {name!r} in models/models.toml; there are: {known}")

    def place(self, classifier: Classifier) -> Path:
        """Return the folder that holds the classifier, or will."""
        return self.folder / classifier.name

    def is_here(self, classifier: Classifier) -> bool:
        """Return whether its folder is on this machine, with every file."""
        return all((self.place(classifier) / file.name).is_file() for file in classifier.files)
