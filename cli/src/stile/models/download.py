"""Fetches a model's weights; a file under the real name is whole and is what models.toml describes.

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

DRAFTS = ".drafts"
_SPARE_BYTES = 64 * 1024 * 1024
_PIECE = 1024 * 1024


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
    draft = _download(model, drafts)
    show("Checking it …")
    try:
        _verify(draft, model)
    except ModelError:
        shutil.rmtree(drafts)  # the next attempt begins anew
        raise
    draft.replace(place)
    shutil.rmtree(drafts)
    with contextlib.suppress(OSError):  # another download is on its way
        drafts.parent.rmdir()
    return place


def _download(model: Model, drafts: Path) -> Path:
    what = f"{model.repository}/{model.file}"
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    try:
        return Path(
            huggingface_hub.hf_hub_download(
                model.repository, model.file, revision=model.revision, local_dir=drafts, endpoint=endpoint
            )
        )
    except GatedRepoError as error:
        raise ModelError(
            f"{what} is behind a licence: accept it at {endpoint}/{model.repository}, then set HF_TOKEN"
        ) from error
    except LocalEntryNotFoundError as error:
        # The hub's client looks into its cache before it gives up, and names only that.
        raise ModelError(f"{endpoint} cannot be reached for {what}; `stile models pull` resumes") from error
    except (RepositoryNotFoundError, EntryNotFoundError) as error:
        raise ModelError(f"{what} is not on {endpoint}") from error
    except HfHubHTTPError as error:
        raise ModelError(f"{endpoint} does not hand out {what}: {_first_line(error)}") from error
    except (httpx.HTTPError, OSError, RuntimeError, ValueError) as error:
        raise ModelError(
            f"the download of {what} broke off ({_first_line(error)}); `stile models pull {model.name}` "
            "takes it up again"
        ) from error


def _verify(path: Path, model: Model) -> None:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    if digest.hexdigest() != model.sha256:
        raise ModelError(
            f"{path.name} has the SHA-256 {digest.hexdigest()}, but models.toml says {model.sha256}"
        )


def _require_space(folder: Path, model: Model, drafts: Path) -> None:
    there = sum(path.stat().st_size for path in drafts.rglob("*.incomplete"))
    free = shutil.disk_usage(folder).free
    if free < model.size - there + _SPARE_BYTES:
        raise ModelError(
            f"{model.name} needs {model.size / 1e9:.1f} GB in {folder}; {free / 1e9:.1f} GB are free"
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
