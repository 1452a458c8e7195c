"""The models that Stile knows (models/models.toml), and where their weights are on this machine."""

import importlib.util
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from stile.errors import ModelError
from stile.home import Root
from stile.models import models_file


class Model(BaseModel):
    """One entry of models.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    repository: str
    """On huggingface.co, or on the hub of ``HF_ENDPOINT``."""
    revision: str = "main"
    file: str = Field(pattern=r"^[^/\\]+\.gguf$")
    size: int = Field(gt=0)
    """Bytes."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    licence: str
    context: int = Field(gt=0)
    """Tokens that it was trained for."""
    kv_bytes: int | None = Field(None, gt=0)
    """Memory of the keys and values of one token, at 16 bits a number."""
    use: str = ""
    """What to expect of it, in a few words."""
    package: str | None = None
    """A Python package of the environment that carries the file."""
    recommended: bool = False


class Catalogue:
    """The list, and the folder with the weights."""

    def __init__(self, root: Root) -> None:
        """Read the list.

        Raises:
            ModelError: it is no list of models.
        """
        self.folder = root.weights
        listed = models_file.place(root)
        self.models = models_file.read(listed, "model", Model)
        if not self.models:
            raise ModelError(f"{listed}: it names no model")

    def find(self, name: str) -> Model:
        """Look a model up by its name, or by its file's.

        Raises:
            ModelError: there is none of that name.
        """
        for model in self.models:
            if name in (model.name, model.file):
                return model
        known = ", ".join(model.name for model in self.models)
        raise ModelError(f"no model {name!r} in models/models.toml; there are: {known}")

    def place(self, model: Model) -> Path:
        """Return the file that holds the model's weights, or will."""
        if model.package is not None:
            # Found without importing it: the package's code is a plugin of another program.
            spec = importlib.util.find_spec(model.package)
            for folder in (spec.submodule_search_locations or []) if spec else []:
                if (packaged := Path(folder) / model.file).is_file():
                    return packaged
        return self.folder / model.file

    def is_here(self, model: Model) -> bool:
        """Return whether its weights are on this machine, whole."""
        place = self.place(model)
        return place.is_file() and place.stat().st_size == model.size

    def path(self, name: str) -> Path:
        """Return the file with the model's weights.

        Raises:
            ModelError: there is no such model, or its weights are not here.
        """
        model = self.find(name)
        if not self.is_here(model):
            raise ModelError(
                f"the model {model.name} isn't here: `stile models pull {model.name}` fetches it"
            )
        return self.place(model)
