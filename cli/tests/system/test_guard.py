"""The classifiers: downloaded from a hub on loopback with the real command, whole or not at all."""

import hashlib

import pytest

from harness.models.catalogue import CONTENT, make_root
from harness.models.hub import Hub
from harness.models.stile_command import stile
from harness.processes.ports import free_port

REVISION = "b" * 40
SMALL = {"config.json": b'{"a": 1}', "tokenizer.json": b"{}"}
NAME = "small-injection"


def make_classifiers(folder, *, sha256=None):
    """Make a folder of Stile's own files with two classifiers in its list, one of them under a licence."""
    root = make_root(folder)
    digest = sha256 or hashlib.sha256(CONTENT).hexdigest()
    with (root / "models" / "models.toml").open("a") as file:
        for name, extra in ((NAME, ""), ("licensed", 'terms = "https://example.org/terms"')):
            file.write(f"""
[[classifier]]
name = "{name}"
rule = "{name.title()}"
repository = "somebody/{name}"
revision = "{REVISION}"
subfolder = "onnx/"
size = {len(CONTENT)}
licence = "Apache-2.0"
{extra}
files = [
    {{ name = "config.json" }},
    {{ name = "tokenizer.json", sha256 = "{hashlib.sha256(SMALL["tokenizer.json"]).hexdigest()}" }},
    {{ name = "model.onnx", sha256 = "{digest}" }},
]
""")
    return root


def here(root, hub):
    """By classifier: whether ``stile guard status`` says that it is downloaded."""
    headings, *rows = stile(root, "guard", "status", hub=hub.url).stdout.splitlines()
    cells = [dict(zip(headings.split("\t"), row.split("\t"), strict=True)) for row in rows]
    return {cell["name"]: cell["here"] == "yes" for cell in cells}


def test_a_classifier_is_pulled(tmp_path):
    """Its folder comes to its place whole, at the pinned revision; a second pull fetches nothing."""
    root = make_classifiers(tmp_path)
    folder = root / "models" / NAME
    with Hub(CONTENT, "onnx/model.onnx", SMALL) as hub:
        assert here(root, hub) == {NAME: False, "licensed": False}
        pulled = stile(root, "guard", "pull", hub=hub.url)
        assert (pulled.returncode, pulled.stdout.strip()) == (0, str(folder)), pulled.stderr
        assert (folder / "model.onnx").read_bytes() == CONTENT
        assert sorted(path.name for path in folder.iterdir()) == [
            "config.json",
            "model.onnx",
            "tokenizer.json",
        ]
        assert all(f"/somebody/{NAME}/resolve/{REVISION}/onnx/" in path for path in hub.paths)
        fetched = len(hub.paths)
        assert here(root, hub) == {NAME: True, "licensed": False}
        assert stile(root, "guard", "pull", hub=hub.url).returncode == 0
        assert len(hub.paths) == fetched
    assert sorted(path.name for path in (root / "models").iterdir()) == ["models.toml", NAME]


def test_an_interrupted_download_is_taken_up_again(tmp_path):
    """What broke off leaves no folder under the real name; the next pull asks for the rest only."""
    root = make_classifiers(tmp_path)
    with Hub(CONTENT, "onnx/model.onnx", SMALL) as hub:
        hub.cut_at = 15_000_000
        broken = stile(root, "guard", "pull", hub=hub.url)
        assert broken.returncode == 1
        assert "stile guard pull" in broken.stderr.splitlines()[-1]
        assert not (root / "models" / NAME).exists()
        hub.cut_at = None
        hub.ranges.clear()
        pulled = stile(root, "guard", "pull", hub=hub.url)
        assert pulled.returncode == 0, pulled.stderr
        resumed = [asked for asked in hub.ranges if asked]
        assert int(resumed[0].removeprefix("bytes=").split("-")[0]) >= 10_000_000
    assert (root / "models" / NAME / "model.onnx").read_bytes() == CONTENT


def test_other_content_is_one_line_and_no_folder(tmp_path):
    """A file that is not what the list says is not kept, and the next pull downloads it again."""
    root = make_classifiers(tmp_path)
    with Hub(CONTENT[:-1] + b"!", "onnx/model.onnx", SMALL) as hub:
        pulled = stile(root, "guard", "pull", hub=hub.url)
        assert pulled.returncode == 1
        assert "but models.toml says" in pulled.stderr.splitlines()[-1]
        assert "Traceback" not in pulled.stderr
        assert not (root / "models" / NAME).exists()
    with Hub(CONTENT, "onnx/model.onnx", SMALL) as hub:
        assert stile(root, "guard", "pull", hub=hub.url).returncode == 0


@pytest.mark.parametrize("names", [["licensed"], [NAME, "licensed"]])
def test_a_licence_is_accepted_by_name(tmp_path, names):
    """Without acceptance nothing is downloaded, and the error says what to read."""
    root = make_classifiers(tmp_path)
    with Hub(CONTENT, "onnx/model.onnx", SMALL) as hub:
        refused = stile(root, "guard", "pull", *names, hub=hub.url)
        assert (refused.returncode, hub.paths) == (1, [])
        assert "https://example.org/terms" in refused.stderr.splitlines()[-1]
        assert stile(root, "guard", "pull", *names, "--accept-licence", hub=hub.url).returncode == 0
    assert (root / "models" / "licensed" / "model.onnx").is_file()


def test_no_network_is_one_line(tmp_path):
    """The error says that the hub cannot be reached."""
    root = make_classifiers(tmp_path)
    pulled = stile(root, "guard", "pull", hub=f"http://127.0.0.1:{free_port()}")
    assert pulled.returncode == 1
    assert "cannot be reached" in pulled.stderr.splitlines()[-1]
    assert "Traceback" not in pulled.stderr
