"""Which model `STILE_MODEL` names."""

import json
from pathlib import Path

import pytest

from harness.models.catalogue import CONTENT, FILE, make_root
from harness.models.gguf import write
from stile.errors import ModelError
from stile.home import Root
from stile.models.catalogue import Catalogue
from stile.models.library import Library

HEADER = {"general.architecture": "llama", "general.name": "Own Model"}


@pytest.fixture
def library(tmp_path, monkeypatch):
    """One with a model in its list, and no Ollama."""
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "ollama"))
    return Library(Catalogue(Root(make_root(tmp_path))))


def of_ollama(folder, manifest, *, digest="sha256:" + "a" * 64, header=HEADER):
    """Write a model as Ollama keeps it."""
    path = folder / "manifests" / manifest
    path.parent.mkdir(parents=True)
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": digest, "size": 1}
    path.write_text(json.dumps({"layers": [{"mediaType": "x", "digest": "sha256:0"}, layer]}))
    if header is not None:
        write(folder / "blobs" / digest.replace(":", "-"), header)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("it's a #1 $x.gguf", "it's a #1 $x"),
        ("a,b.gguf", "a_b"),
        ("a\\b.gguf", "a_b"),
        ("--help.gguf", "help"),
        ("-.gguf", "model"),
    ],
)
def test_a_model_without_a_name_is_named_after_its_file(tmp_path, library, file, name):
    """Without what llama.cpp's server or the worker would read in another way."""
    (tmp_path / file).write_bytes(b"GGUF")
    weights = library.weights(str(tmp_path / file))
    assert (weights.name, weights.path) == (name, tmp_path / file)


@pytest.mark.parametrize(
    ("said", "name"),
    [("Own Model", "Own Model"), ("org/Own, 1B", "org_Own_ 1B"), ("\x1b[2J--x", "[2J--x"), (" ", "own")],
)
def test_a_model_is_named_by_its_file(tmp_path, library, said, name):
    """If the file has a name that can be used."""
    path = write(tmp_path / "own.gguf", HEADER | {"general.name": said})
    assert library.weights(str(path)).name == name


def test_the_owner_names_it(tmp_path, library):
    """``STILE_MODEL_NAME`` comes before all other names."""
    path = write(tmp_path / "own.gguf", HEADER)
    assert library.weights(str(path), "house").name == "house"
    (tmp_path / "models" / FILE).write_bytes(CONTENT)
    assert library.weights("Small-Q4", "house").name == "house"
    of_ollama(tmp_path / "ollama", "registry.ollama.ai/library/qwen3/0.6b")
    assert library.weights("qwen3:0.6b", "house").name == "house"


def test_a_file_that_begins_with_a_tilde_is_a_file(tmp_path, library, monkeypatch):
    """As a shell leaves it, if no user is called so."""
    monkeypatch.chdir(tmp_path)
    Path("~nobody-at-all.gguf").write_bytes(b"GGUF")
    assert library.weights("~nobody-at-all.gguf").path == tmp_path / "~nobody-at-all.gguf"


def test_what_stile_model_can_name(tmp_path, library):
    """A GGUF file by its path, or a model by its name; each failure says what to do."""
    with pytest.raises(ModelError, match="stile models pull Small-Q4"):
        library.weights("Small-Q4")
    with pytest.raises(ModelError, match="there are: Small-Q4"):
        library.weights("Nothing")
    with pytest.raises(ModelError, match="no such file"):
        library.weights("/nowhere/x.gguf")
    with pytest.raises(ModelError, match="is it Small-Q4"):
        library.weights("Small-Q5")
    other = tmp_path / "own.gguf"
    other.write_bytes(b"PK")
    with pytest.raises(ModelError, match="not a GGUF file"):
        library.weights(str(other))
    (tmp_path / "models" / FILE).write_bytes(CONTENT)
    assert library.weights("Small-Q4").path == tmp_path / "models" / FILE
    assert library.weights(FILE).name == "Small-Q4"


def test_a_file_in_the_models_folder_needs_no_path(tmp_path, library):
    """As in Compose; the list does not have to know it."""
    path = write(tmp_path / "models" / "own-q8.gguf", HEADER)
    assert library.weights("own-q8.gguf").path == path
    assert library.weights("own-q8").name == "Own Model"
    assert [(other.name, other.source) for other in library.others()] == [("own-q8", "models")]


def test_the_weights_may_be_in_another_folder(tmp_path):
    """``STILE_MODELS_DIR``; its own list comes before Stile's, if it has one."""
    root = make_root(tmp_path)
    folder = tmp_path / "usb"
    write(folder / "own.gguf", HEADER)
    assert Library(Catalogue(Root(root, folder))).weights("own").path == folder / "own.gguf"
    assert Catalogue(Root(root, folder)).find("Small-Q4").name == "Small-Q4"
    text = (root / "models" / "models.toml").read_text()
    (folder / "models.toml").write_text(text.replace("Small-Q4", "Other"))
    assert [model.name for model in Catalogue(Root(root, folder)).models] == ["Other"]


@pytest.mark.parametrize(
    ("manifest", "shown", "name"),
    [
        ("registry.ollama.ai/library/qwen3/0.6b", "qwen3:0.6b", "qwen3:0.6b"),
        ("registry.ollama.ai/library/llama3.2/latest", "llama3.2:latest", "llama3.2:latest"),
        ("registry.ollama.ai/ada/own/1b", "ada/own:1b", "own:1b"),
        ("hf.co/ada/Own-GGUF/Q4_K_M", "hf.co/ada/Own-GGUF:Q4_K_M", "Own-GGUF:Q4_K_M"),
    ],
)
def test_a_model_of_ollama_by_its_own_name(tmp_path, library, manifest, shown, name):
    """It is used where it is; clients call it as Ollama's do, without its user."""
    of_ollama(tmp_path / "ollama", manifest)
    assert [(other.name, other.source) for other in library.others()] == [(shown, "Ollama")]
    weights = library.weights(shown.removesuffix(":latest"))
    assert (weights.name, weights.path.parent) == (name, tmp_path / "ollama" / "blobs")


def test_what_ollama_has_in_part_is_not_there(tmp_path, library):
    """A download that is under way, a broken manifest, another program's file."""
    folder = tmp_path / "ollama"
    of_ollama(folder, "registry.ollama.ai/library/half/latest", header=None)
    of_ollama(folder, "registry.ollama.ai/library/out/latest", digest="sha256:../../own", header=None)
    (folder / "manifests" / "registry.ollama.ai" / "library" / "half" / "broken").write_text("{")
    (folder / "manifests" / "notes").write_text("[]")
    assert list(library.others()) == []
    with pytest.raises(ModelError, match="no model 'half'"):
        library.weights("half")


def test_ollama_is_looked_for_in_the_owners_folder(tmp_path, monkeypatch):
    """``~/.ollama/models``, if ``OLLAMA_MODELS`` is not set."""
    monkeypatch.delenv("OLLAMA_MODELS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    of_ollama(tmp_path / ".ollama" / "models", "registry.ollama.ai/library/qwen3/0.6b")
    library = Library(Catalogue(Root(make_root(tmp_path))))
    assert library.weights("qwen3:0.6b").name == "qwen3:0.6b"
