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
_SECONDS = 30.0
"""That a server may be silent."""

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


def pull_url(catalogue: Catalogue, address: str, sha256: str, show: Callable[[str], None]) -> Path:
    """Fetch a GGUF file by its address, taking up an interrupted download; return its place.

    Args:
        catalogue: has the folder.
        address: of HTTP; a page of a file on huggingface.co counts as the file.
        sha256: the file's.
        show: gets what people should know.

    Raises:
        ModelError: it cannot be fetched, or has another checksum; no file is left under its name.
    """
    url = httpx.URL(address.replace("/blob/", "/resolve/", 1) if _is_hub(httpx.URL(address)) else address)
    name = url.path.rpartition("/")[2]
    if not name.endswith(".gguf") or name.startswith("."):
        raise ModelError(f"{address}: its last part is no name of a GGUF file")
    place = catalogue.folder / name
    if place.exists():
        show(f"{place} is there; checking it …")
        _require_sum(place, sha256, "--sha256")
        return place
    drafts = catalogue.folder / DRAFTS / sha256
    drafts.mkdir(parents=True, exist_ok=True)
    draft = drafts / name
    try:
        _fetch(url, draft)
    except (httpx.HTTPError, OSError) as error:
        raise ModelError(
            f"the download of {address} broke off ({_first_line(error)}); the same command resumes it"
        ) from error
    show("Checking it …")
    try:
        _require_sum(draft, sha256, "--sha256")
    except ModelError:
        shutil.rmtree(drafts)
        raise
    draft.replace(place)
    _remove(drafts)
    return place


def _fetch(url: httpx.URL, draft: Path) -> None:
    """Write the rest of a file to ``draft``, or all of it if the server sends no parts."""
    there = draft.stat().st_size if draft.exists() else 0
    headers = {"Range": f"bytes={there}-"} if there else {}
    if _is_hub(url) and (token := os.environ.get("HF_TOKEN")):
        headers["Authorization"] = f"Bearer {token}"
    with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=_SECONDS) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and there:
            return  # it is whole; its checksum tells
        if answer.is_error:
            raise ModelError(f"{url}: the server answered {answer.status_code} {answer.reason_phrase}")
        is_rest = answer.status_code == httpx.codes.PARTIAL_CONTENT
        length = int(answer.headers.get("Content-Length", 0))
        free = shutil.disk_usage(draft.parent).free
        if free < length + _SPARE_BYTES:
            raise ModelError(
                f"{draft.name} needs {length / 1e9:.1f} GB in {draft.parent}; {free / 1e9:.1f} GB are free"
            )
        with draft.open("ab" if is_rest else "wb") as file:
            for piece in answer.iter_bytes(_PIECE):
                file.write(piece)


def _is_hub(url: httpx.URL) -> bool:
    """Whether an address is of the hub, which alone may see its token."""
    hub = httpx.URL(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    return (url.scheme, url.host, url.port) == (hub.scheme, hub.host, hub.port)


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
    _require_sum(path, described.sha256, "models.toml")


def _require_sum(path: Path, sha256: str, source: str) -> None:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    if digest.hexdigest() != sha256:
        raise ModelError(f"{path.name} has the SHA-256 {digest.hexdigest()}, but {source} says {sha256}")


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
