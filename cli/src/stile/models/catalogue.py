"""The models that Stile knows (models/models.toml), and where their weights are on this machine."""

import contextlib
import importlib.util
from dataclasses import dataclass
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
    package: str | None = None
    """A Python package of the environment that carries the file."""
    recommended: bool = False


@dataclass(frozen=True)
class Weights:
    """A GGUF file on this machine, and what to call it."""

    name: str
    path: Path


class Catalogue:
    """The list, and the folder of the weights."""

    def __init__(self, root: Root) -> None:
        """Read the list.

        Raises:
            ModelError: it is no list of models.
        """
        self.folder = root.weights
        self.models = models_file.read(root.models, "model", Model)
        if not self.models:
            raise ModelError(f"{root.models / 'models.toml'}: it names no model")

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

    def weights(self, wanted: str) -> Weights:
        """Find what ``STILE_MODEL`` names: a GGUF file by its path, or a model of the list.

        Raises:
            ModelError: it is neither, or it is not here.
        """
        path = Path(wanted)
        with contextlib.suppress(RuntimeError):  # it begins with ~, and no user is called so
            path = path.expanduser()
        if path.is_file():
            with path.open("rb") as file:
                if file.read(4) != b"GGUF":
                    raise ModelError(f"STILE_MODEL={wanted}: not a GGUF file")
            return Weights(_name(path), path.resolve())
        if "/" in wanted:
            raise ModelError(f"STILE_MODEL={wanted}: no such file")
        return Weights(self.find(wanted).name, self.path(wanted))


def _name(path: Path) -> str:
    """Name a model after its file.

    llama-server's ``--alias`` makes two names of one with a comma; what is before a backslash is a folder on
    other systems, and the worker leaves it out; what begins with a dash is an option.
    """
    return path.stem.replace(",", "_").replace("\\", "_").lstrip("-") or "model"
