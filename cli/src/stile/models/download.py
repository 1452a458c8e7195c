"""Downloads a model's files; a file with its real name is complete, and is what models.toml describes.

huggingface_hub downloads into a folder of drafts, where an interrupted download is resumed; only a
file whose SHA-256 is right moves to its place.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import httpx
import huggingface_hub
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from stile.errors import ModelError
from stile.models.catalogue import Catalogue, Model
from stile.models.classifiers import Classifier, Classifiers, File

DRAFTS = ".drafts"
_SPARE_BYTES = 64 * 1024 * 1024
_PIECE = 1024 * 1024

Source = Model | Classifier
"""An entry that names the repository and the revision of a file."""


def pull(catalogue: Catalogue, model: Model, show: Callable[[str], None]) -> Path:
    """Fetch the weights if they are not here yet; return their place.

    Raises:
        ModelError: they cannot be fetched, or are not as described; no file is left under their
            name.
    """
    place = catalogue.place(model)
    if catalogue.is_here(model):
        show(f"{place} is there; checking it …")
        _verify(place, model)
        return place
    drafts = catalogue.folder / DRAFTS / model.name
    _require_space(catalogue.folder, model, drafts)
    draft = _download(model, model.file, drafts, f"stile models pull {model.name}")
    show("Checking it …")
    try:
        _verify(draft, model)
    except ModelError:
        shutil.rmtree(drafts)  # the next attempt begins anew
        raise
    draft.replace(place)
    _remove(drafts)
    return place


def pull_classifier(classifiers: Classifiers, classifier: Classifier, show: Callable[[str], None]) -> Path:
    """Fetch a classifier's folder if it is not here yet; return its place.

    Raises:
        ModelError: it cannot be fetched, or is not as described; nothing is left under its name.
    """
    place = classifiers.place(classifier)
    if classifiers.is_here(classifier):
        show(f"{place} is there")
        return place
    drafts = classifiers.folder / DRAFTS / classifier.name
    _require_space(classifiers.folder, classifier, drafts)
    whole = drafts / "whole"
    shutil.rmtree(whole, ignore_errors=True)
    for file in classifier.files:
        draft = _download(classifier, f"{classifier.subfolder}{file.name}", drafts, "stile guard pull")
        try:
            _verify(draft, file)
        except ModelError:
            draft.unlink()  # the next attempt downloads this file again
            raise
    whole.mkdir()
    for file in classifier.files:
        (drafts / f"{classifier.subfolder}{file.name}").replace(whole / file.name)
    shutil.rmtree(place, ignore_errors=True)  # a folder that misses a file
    whole.replace(place)
    _remove(drafts)
    return place


def _download(source: Source, file: str, drafts: Path, again: str) -> Path:
    what = f"{source.repository}/{file}"
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    try:
        return Path(
            huggingface_hub.hf_hub_download(
                source.repository, file, revision=source.revision, local_dir=drafts, endpoint=endpoint
            )
        )
    except GatedRepoError as error:
        raise ModelError(
            f"{what} is behind a licence: accept it at {endpoint}/{source.repository}, then set HF_TOKEN"
        ) from error
    except LocalEntryNotFoundError as error:
        # The hub's client looks into its cache before it gives up, and names only that.
        raise ModelError(
            f"{endpoint} cannot be reached for {what}; `{again}` resumes the download"
        ) from error
    except (RepositoryNotFoundError, EntryNotFoundError) as error:
        raise ModelError(f"{what} is not on {endpoint}") from error
    except HfHubHTTPError as error:
        raise ModelError(f"{endpoint} does not hand out {what}: {_first_line(error)}") from error
    except (httpx.HTTPError, OSError, RuntimeError, ValueError) as error:
        raise ModelError(
            f"the download of {what} broke off ({_first_line(error)}); `{again}` resumes it"
        ) from error


def _remove(drafts: Path) -> None:
    shutil.rmtree(drafts)
    with contextlib.suppress(OSError):  # another download is on its way
        drafts.parent.rmdir()


def _verify(path: Path, described: Model | File) -> None:
    if described.sha256 is None:
        return
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    if digest.hexdigest() != described.sha256:
        raise ModelError(
            f"{path.name} has the SHA-256 {digest.hexdigest()}, but models.toml says {described.sha256}"
        )


def _require_space(folder: Path, model: Source, drafts: Path) -> None:
    there = sum(path.stat().st_size for path in drafts.rglob("*") if path.is_file())
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < model.size - there + _SPARE_BYTES:
        raise ModelError(
            f"{model.name} needs {model.size / 1e9:.1f} GB in {folder}; {free / 1e9:.1f} GB are free"
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
