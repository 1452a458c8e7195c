"""Models: the list."""

import hashlib

import pytest
from ruamel.yaml import YAML

from harness.models.catalogue import make_root
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


def test_each_listed_model_is_pinned():
    """By a commit of its repository; a branch may change under the checksum."""
    models = Catalogue(find_root(Settings())).models
    assert {model.name for model in models if len(model.revision) != 40} == set()
    assert len({model.sha256 for model in models}) == len(models) == 8
    assert all(model.kv_bytes and model.use and model.licence for model in models)


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
