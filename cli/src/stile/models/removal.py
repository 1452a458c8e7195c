"""Removes a model's weights."""

import shutil
from pathlib import Path

import psutil

from stile.errors import ModelError
from stile.home import Home
from stile.models.catalogue import Catalogue
from stile.models.download import DRAFTS
from stile.models.library import Library
from stile_runtime.installation import state


def remove(catalogue: Catalogue, name: str, home: Home) -> Path:
    """Remove a file of the models' folder, and the drafts of its downloads; return its path.

    Raises:
        ModelError: there is no such model, or another program has brought it, or llama.cpp uses it.
    """
    listed = next((model for model in catalogue.models if name in (model.name, model.file)), None)
    drafts = catalogue.folder / DRAFTS / (listed.name if listed else name)
    if listed is not None and not catalogue.place(listed).is_file() and drafts.is_dir():
        shutil.rmtree(drafts)
        return drafts
    path = catalogue.place(listed) if listed else Library(catalogue).weights(name).path
    if not path.is_file():
        raise ModelError(f"the model {name} isn't here")
    if path.parent != catalogue.folder.resolve():
        raise ModelError(f"{path} is not in {catalogue.folder}: what has brought it removes it")
    if _is_in_use(path, home):
        raise ModelError(f"llama.cpp uses {path}: `stile down` stops it")
    path.unlink()
    shutil.rmtree(drafts, ignore_errors=True)
    return path


def _is_in_use(path: Path, home: Home) -> bool:
    running = state.read(home.state)
    process = next((part.pid for part in running.parts if part.name == "llama"), None) if running else None
    try:
        return process is not None and str(path) in psutil.Process(process).cmdline()
    except psutil.Error:
        return False
