"""Models: the list, and what `STILE_MODEL` can name."""

import hashlib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from harness.models.catalogue import CONTENT, FILE, make_root
from stile.errors import ModelError
from stile.home import Root, find_root
from stile.models.catalogue import Catalogue
from stile.models.classifiers import Classifiers
from stile.settings import EMBEDDED_MODEL, Settings


def test_the_list_is_read_and_the_embedded_model_is_there():
    """The committed list is valid; the model of the environment is whole, and is what the list says."""
    catalogue = Catalogue(find_root(Settings()))
    embedded = catalogue.find(EMBEDDED_MODEL)
    digest = hashlib.sha256(catalogue.path(EMBEDDED_MODEL).read_bytes()).hexdigest()
    assert digest == embedded.sha256
    assert [model.name for model in catalogue.models if model.recommended] == ["Llama-3.2-1B-Instruct-Q4_K_M"]


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
def test_a_model_is_named_after_its_file(tmp_path, file, name):
    """Without what llama.cpp's server or the worker would read in another way."""
    root = Root(make_root(tmp_path))
    (tmp_path / file).write_bytes(b"GGUF")
    weights = Catalogue(root).weights(str(tmp_path / file))
    assert (weights.name, weights.path) == (name, tmp_path / file)


def test_a_file_that_begins_with_a_tilde_is_a_file(tmp_path, monkeypatch):
    """As a shell leaves it, if no user is called so."""
    root = Root(make_root(tmp_path))
    monkeypatch.chdir(tmp_path)
    Path("~nobody-at-all.gguf").write_bytes(b"GGUF")
    assert Catalogue(root).weights("~nobody-at-all.gguf").path == tmp_path / "~nobody-at-all.gguf"


def test_what_stile_model_can_name(tmp_path):
    """A GGUF file by its path, or a model by its name; each failure says what to do."""
    catalogue = Catalogue(Root(make_root(tmp_path)))
    with pytest.raises(ModelError, match="stile models pull Small-Q4"):
        catalogue.weights("Small-Q4")
    with pytest.raises(ModelError, match="there are: Small-Q4"):
        catalogue.weights("Nothing")
    with pytest.raises(ModelError, match="no such file"):
        catalogue.weights("/nowhere/x.gguf")
    other = tmp_path / "own.gguf"
    other.write_bytes(b"PK")
    with pytest.raises(ModelError, match="not a GGUF file"):
        catalogue.weights(str(other))
    other.write_bytes(CONTENT)
    assert catalogue.weights(str(other)).name == "own"
    (tmp_path / "models" / FILE).write_bytes(CONTENT)
    assert catalogue.weights("Small-Q4").path == tmp_path / "models" / FILE
    assert catalogue.weights(FILE).name == "Small-Q4"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[model]]\nname = 3\n", "name=3: "),
        ('model = ["x"]\n', "model='x': "),
        ("model = 3\n", "not iterable"),
        ("[[model]\n", "line 1"),
    ],
    ids=["a field", "an entry", "the table", "no TOML"],
)
def test_a_list_that_cannot_be_read_is_one_line(tmp_path, text, sentence):
    """It names the file and what is wrong in it, for models as for classifiers."""
    root = Root(make_root(tmp_path))
    for table, kind in (("model", Catalogue), ("classifier", Classifiers)):
        (root.models / "models.toml").write_text(text.replace("model", table))
        with pytest.raises(ModelError, match=r"models\.toml: ") as raised:
            kind(root)
        assert sentence.replace("model", table) in str(raised.value)
    (root.models / "models.toml").write_text("")
    with pytest.raises(ModelError, match="names no model"):
        Catalogue(root)


def test_the_classifiers_are_those_of_the_policy():
    """Each one is an optional scanner of the policy, in the folder that `stile guard pull` makes."""
    root = find_root(Settings())
    policy = YAML(typ="safe").load(root.folder / "filter-service" / "policy.yml")
    optional = {
        rule.get("id", rule["type"]): rule["params"]
        for rule in policy["input_scanners"]
        if rule.get("optional")
    }
    classifiers = Classifiers(root)
    assert {entry.rule: f"../models/{entry.name}" for entry in classifiers.all} == {
        rule: params["model_path"] for rule, params in optional.items()
    }
    for entry in classifiers.all:
        files = [file.name for file in entry.files]
        assert optional[entry.rule].get("model_onnx_file_name", "model.onnx") in files
