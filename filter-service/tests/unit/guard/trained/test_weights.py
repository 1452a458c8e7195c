"""The weights that ship are those of the manifest, and whatever else lies there is a clear error."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from stile_filter.guard.trained import weights
from stile_filter.guard.trained.heads import load_heads
from stile_filter.guard.trained.weights import DATA, WeightsError, load_weights

EXPECTED = json.loads(Path(__file__).with_name("scores.json").read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("weights.bin", "manifest.json"):
        shutil.copy(str(DATA / name), tmp_path)
    return tmp_path


def test_weights_are_the_ones_of_the_manifest():
    manifest = json.loads((DATA / "manifest.json").read_text(encoding="utf-8"))
    assert hashlib.sha256((DATA / "weights.bin").read_bytes()).hexdigest() == manifest["sha256"]


def test_weights_are_well_under_5_mb():
    assert len((DATA / "weights.bin").read_bytes()) < 3_000_000


@pytest.mark.parametrize("text", EXPECTED)
def test_shipped_weights_give_the_scores_of_the_fixture(text):
    assert load_heads().scores(text) == pytest.approx(EXPECTED[text], abs=1e-6)


@pytest.mark.parametrize("name", ["weights.bin", "manifest.json"])
def test_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(WeightsError, match=name):
        load_weights(folder)


def test_one_changed_byte_is_found(folder):
    packed = bytearray((folder / "weights.bin").read_bytes())
    packed[len(packed) // 2] ^= 1
    (folder / "weights.bin").write_bytes(packed)
    with pytest.raises(WeightsError, match=r"not the file that its manifest names"):
        load_weights(folder)


def test_manifest_that_is_no_json_is_an_error(folder):
    (folder / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_weights(folder)


def test_weights_for_other_features_are_an_error(folder, monkeypatch):
    monkeypatch.setattr(weights, "ROWS", weights.ROWS + 1)
    with pytest.raises(WeightsError, match="train them again"):
        load_weights(folder)
