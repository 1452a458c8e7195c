"""The models on this machine: those of the list, other files beside them, and Ollama's."""

import contextlib
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stile.errors import ModelError
from stile.models import gguf, ollama
from stile.models.catalogue import Catalogue, Model


@dataclass(frozen=True)
class Weights:
    """A GGUF file on this machine, and what to call it."""

    name: str
    path: Path
    kv_bytes: int | None = None
    """Memory of the keys and values of one token."""

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size


@dataclass(frozen=True)
class Found:
    """A file that is not in the list of known models."""

    name: str
    path: Path
    source: str
    """``models`` (the folder) or ``Ollama``."""


class Library:
    """Finds a model by what its owner calls it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def others(self) -> Iterator[Found]:
        """Yield the files that are not of the list: those in the models' folder, then Ollama's."""
        listed = {model.file for model in self._catalogue.models}
        for path in sorted(self._catalogue.folder.glob("*.gguf")):
            if path.name not in listed and path.is_file():
                yield Found(path.stem, path, "models")
        for model in ollama.models():
            yield Found(model.name, model.path, "Ollama")

    def weights(self, wanted: str, called: str | None = None) -> Weights:
        """Find what ``STILE_MODEL`` names.

        It is a GGUF file by its path; a model of the list by its name or its file's; a file in the
        models' folder; or a model of Ollama by the name that Ollama gives it.

        Args:
            wanted: ``STILE_MODEL``.
            called: ``STILE_MODEL_NAME``: what clients call the model.

        Raises:
            ModelError: it is none of these, or it is not here, or is no GGUF file.
        """
        path = Path(wanted)
        with contextlib.suppress(RuntimeError):  # it begins with ~, and no user is called so
            path = path.expanduser()
        if path.is_file():
            return _weights(path.resolve(), called)
        if (model := self._listed(wanted)) is not None:
            here = self._catalogue.path(model.name)
            return Weights(called or model.name, here, model.kv_bytes)
        for other in self.others():
            if wanted in (other.name, other.path.name if other.source == "models" else None):
                return _weights(other.path, called or _ollama_name(other))
        if (named := ollama.find(wanted)) is not None:
            return _weights(named.path, called or _short(named.name))
        raise ModelError(self._unknown(wanted))

    def _listed(self, wanted: str) -> Model | None:
        return next((model for model in self._catalogue.models if wanted in (model.name, model.file)), None)

    def _unknown(self, wanted: str) -> str:
        names = [model.name for model in self._catalogue.models] + [other.name for other in self.others()]
        near = difflib.get_close_matches(wanted, names, n=1)
        said = f"no model {wanted!r}: " if "/" not in wanted else f"no such file, and no model: {wanted}; "
        hint = f"is it {near[0]}? " if near else ""
        return f"{said}{hint}there are: {', '.join(names)}"


def _ollama_name(found: Found) -> str | None:
    return _short(found.name) if found.source == "Ollama" else None


def _short(name: str) -> str:
    """Leave out Ollama's host and user: the worker does so, too."""
    return name.rpartition("/")[2]


def _weights(path: Path, called: str | None) -> Weights:
    header = gguf.read(path)
    return Weights(called or _tidy(header.name or "") or _tidy(path.stem) or "model", path, header.kv_bytes)


def _tidy(name: str) -> str:
    """Return a name without what others would read in another way.

    llama-server's ``--alias`` makes two names of one with a comma; the worker leaves out what is
    before a slash or a backslash; what begins with a dash is an option.
    """
    for mark in (",", "\\", "/"):
        name = name.replace(mark, "_")
    return "".join(letter for letter in name if letter.isprintable()).strip().lstrip("-")
