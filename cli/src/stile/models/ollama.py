"""The models that Ollama has on this machine: their names, and the files with their weights.

Ollama keeps a manifest for each model, ``manifests/HOST/USER/NAME/TAG``, and the weights under their
SHA-256 in ``blobs``. They are used where they are.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HOST = "registry.ollama.ai"
_USER = "library"
_WEIGHTS = "application/vnd.ollama.image.model"


@dataclass(frozen=True)
class OllamaModel:
    """One of Ollama's models."""

    name: str
    """As `ollama list` shows it, such as ``qwen3:0.6b``."""
    path: Path
    """The file with its weights."""


def folders() -> list[Path]:
    """Return where Ollama may keep its models: ``OLLAMA_MODELS``, or its places for a user and a service."""
    if named := os.environ.get("OLLAMA_MODELS"):
        return [Path(named)]
    return [Path.home() / ".ollama" / "models", Path("/usr/share/ollama/.ollama/models")]


def models() -> Iterator[OllamaModel]:
    """Yield the models whose weights are here; a folder that may not be read has none."""
    seen: set[str] = set()
    for folder in folders():
        manifests = folder / "manifests"
        for path in sorted(_files(manifests)):
            weights = _weights(folder, path)
            name = _name(path.relative_to(manifests).parts)
            if weights is not None and name is not None and name not in seen:
                seen.add(name)
                yield OllamaModel(name, weights)


def find(name: str) -> OllamaModel | None:
    """Look a model up as Ollama does: without a tag it is ``latest``."""
    wanted = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
    return next((model for model in models() if model.name == wanted), None)


def _files(folder: Path) -> list[Path]:
    found = []
    for parent, _, names in os.walk(folder):  # passes over what it may not read
        found += [Path(parent) / name for name in names]
    return found


def _name(parts: tuple[str, ...]) -> str | None:
    """Return the name of a manifest's path ``HOST/USER/NAME/TAG``, without what Ollama leaves out."""
    if len(parts) != 4 or any(part.startswith(".") for part in parts):
        return None
    host, user, name, tag = parts
    shown = [*([] if host == _HOST else [host]), *([] if (host, user) == (_HOST, _USER) else [user]), name]
    return f"{'/'.join(shown)}:{tag}"


def _weights(folder: Path, manifest: Path) -> Path | None:
    try:
        layers = json.loads(manifest.read_bytes())["layers"]
        digests = [layer["digest"] for layer in layers if layer["mediaType"] == _WEIGHTS]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # Weights in several blobs are not for llama.cpp.
    if len(digests) != 1 or not isinstance(digests[0], str) or "/" in digests[0]:
        return None
    path = folder / "blobs" / digests[0].replace(":", "-")
    try:
        return path if path.is_file() else None
    except OSError:
        return None
