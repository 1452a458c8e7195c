"""Models: fetching one from a hub on loopback, with the real command."""

import pytest

from harness.models.catalogue import CONTENT, FILE, make_root
from harness.models.hub import Hub
from harness.models.stile_command import stile
from harness.processes.ports import free_port


def weights_in(root):
    """List what lies under a real name."""
    return [path.name for path in (root / "models").iterdir() if path.suffix == ".gguf"]


def test_a_model_is_pulled(tmp_path):
    """The file comes to its place, whole, and `stile models path` names it; a second pull fetches nothing."""
    root = make_root(tmp_path)
    with Hub(CONTENT, FILE) as hub:
        assert stile(root, "models", "path", "Small-Q4", hub=hub.url).returncode == 1
        pulled = stile(root, "models", "pull", "Small-Q4", hub=hub.url)
        assert (pulled.returncode, pulled.stdout.strip()) == (0, str(root / "models" / FILE)), pulled.stderr
        assert (root / "models" / FILE).read_bytes() == CONTENT
        assert stile(root, "models", "path", "Small-Q4", hub=hub.url).stdout.strip() == str(
            root / "models" / FILE
        )
        assert stile(root, "models", "pull", "Small-Q4", hub=hub.url).returncode == 0
        assert len(hub.ranges) == 1
    assert sorted(path.name for path in (root / "models").iterdir()) == [FILE, "models.toml"]


def test_an_interrupted_download_is_taken_up_again(tmp_path):
    """What broke off leaves nothing under the real name; the next pull asks for the rest only."""
    root = make_root(tmp_path)
    with Hub(CONTENT, FILE) as hub:
        hub.cut_at = 15_000_000
        broken = stile(root, "models", "pull", "Small-Q4", hub=hub.url)
        assert broken.returncode == 1
        assert weights_in(root) == []
        hub.cut_at = None
        hub.ranges.clear()
        pulled = stile(root, "models", "pull", "Small-Q4", hub=hub.url)
        assert pulled.returncode == 0, pulled.stderr
        assert hub.ranges[0] is not None
        assert int(hub.ranges[0].removeprefix("bytes=").split("-")[0]) >= 10_000_000
    assert (root / "models" / FILE).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("described", "served", "sentence"),
    [
        ({"sha256": "0" * 64}, CONTENT, "but models.toml says"),
        ({}, CONTENT[:-1] + b"!", "but models.toml says"),
        ({"file": "Other.gguf"}, CONTENT, "is not on http://"),
    ],
    ids=["wrong checksum", "other content", "no such file"],
)
def test_what_cannot_be_used_is_one_line_and_no_file(tmp_path, described, served, sentence):
    """The last line on stderr says what is wrong; nothing lies under the model's name."""
    root = make_root(tmp_path, **described)
    with Hub(served, FILE) as hub:
        pulled = stile(root, "models", "pull", "Small-Q4", hub=hub.url)
    assert pulled.returncode == 1
    assert pulled.stderr.splitlines()[-1].startswith("stile: ")
    assert sentence in pulled.stderr.splitlines()[-1]
    assert "Traceback" not in pulled.stderr
    assert weights_in(root) == []


def test_no_network_is_one_line(tmp_path):
    """The error says that the hub cannot be reached."""
    root = make_root(tmp_path)
    pulled = stile(root, "models", "pull", "Small-Q4", hub=f"http://127.0.0.1:{free_port()}")
    assert pulled.returncode == 1
    assert "cannot be reached" in pulled.stderr.splitlines()[-1]
    assert "Traceback" not in pulled.stderr


def test_what_the_disk_cannot_hold_is_not_begun(tmp_path):
    """A model that is larger than the free space is refused before the first byte."""
    root = make_root(tmp_path, size=10**16)
    with Hub(CONTENT, FILE) as hub:
        pulled = stile(root, "models", "pull", "Small-Q4", hub=hub.url)
        assert hub.ranges == []
    assert "GB are free" in pulled.stderr.splitlines()[-1]
