"""Models: fetching one by its address, and removing it, with the real command."""

import hashlib
import json
import os
import subprocess

import pytest

from harness.models.catalogue import CONTENT, FILE, make_root
from harness.models.hub import Hub
from harness.models.stile_command import STILE, stile
from harness.processes.ports import free_port

SUM = hashlib.sha256(CONTENT).hexdigest()
OWN = "Own-Q4.gguf"


def files_in(root):
    """List what is in the models' folder, the drafts too."""
    return sorted(path.name for path in (root / "models").iterdir())


def pull(root, address, *options, hub):
    """Run `stile models pull` with an address."""
    return stile(root, "models", "pull", address, *options, hub=hub.url)


def test_a_file_is_pulled_by_its_address(tmp_path, monkeypatch):
    """It is in the list then, and `STILE_MODEL` finds it. The hub's token goes to the hub alone."""
    root = make_root(tmp_path)
    monkeypatch.setenv("HF_TOKEN", "secret")
    with Hub(CONTENT, OWN) as hub, Hub(CONTENT, "Other.gguf") as other:
        pulled = pull(
            root, f"{hub.url}/ada/own/blob/main/{OWN}?download=true", "--sha256", SUM.upper(), hub=hub
        )
        assert (pulled.returncode, pulled.stdout.strip()) == (0, str(root / "models" / OWN)), pulled.stderr
        assert hub.paths == [f"/ada/own/resolve/main/{OWN}?download=true"]
        assert pull(root, f"{other.url}/Other.gguf", "--sha256", SUM, hub=hub).returncode == 0
        assert (hub.tokens, other.tokens) == (["Bearer secret"], [None])
        again = pull(root, f"{hub.url}/ada/own/resolve/main/{OWN}", "--sha256", SUM, hub=hub)
        assert (again.returncode, len(hub.paths)) == (0, 1)
        listed = stile(root, "models", "list", "--json", hub=hub.url)
        assert stile(root, "models", "path", "Own-Q4", hub=hub.url).stdout.strip() == str(
            root / "models" / OWN
        )
    assert [(row["name"], row["source"], row["here"]) for row in json.loads(listed.stdout)] == [
        ("Small-Q4", "list", False),
        ("Other", "models", True),
        ("Own-Q4", "models", True),
    ]
    assert (root / "models" / OWN).read_bytes() == CONTENT
    assert files_in(root) == ["Other.gguf", OWN, "models.toml"]


def test_an_interrupted_download_is_taken_up_again(tmp_path):
    """What broke off leaves nothing under the real name; the same command asks for the rest only."""
    root = make_root(tmp_path)
    with Hub(CONTENT, OWN) as hub:
        hub.cut_at = 15_000_000
        broken = pull(root, f"{hub.url}/{OWN}", "--sha256", SUM, hub=hub)
        assert (broken.returncode, files_in(root)) == (1, [".drafts", "models.toml"])
        assert "resumes" in broken.stderr.splitlines()[-1]
        hub.cut_at = None
        assert pull(root, f"{hub.url}/{OWN}", "--sha256", SUM, hub=hub).returncode == 0
        assert hub.ranges[0] is None
        assert int(hub.ranges[1].removeprefix("bytes=").split("-")[0]) >= 10_000_000
    assert (root / "models" / OWN).read_bytes() == CONTENT
    assert files_in(root) == [OWN, "models.toml"]


@pytest.mark.parametrize(
    ("path", "options", "sentence"),
    [
        (OWN, ["--sha256", "0" * 64], "but --sha256 says"),
        (OWN, ["--sha256", "0" * 63], "64 digits"),
        (OWN, [], "needs --sha256"),
        ("nothing.gguf", ["--sha256", SUM], "404"),
        ("README.md", ["--sha256", SUM], "no name of a GGUF file"),
        (".gguf", ["--sha256", SUM], "no name of a GGUF file"),
    ],
    ids=["wrong checksum", "no checksum", "none", "no such file", "no model", "no name"],
)
def test_what_cannot_be_used_is_one_line_and_no_file(tmp_path, path, options, sentence):
    """The last line on stderr says what is wrong; nothing lies under the model's name."""
    root = make_root(tmp_path)
    with Hub(CONTENT, OWN) as hub:
        pulled = pull(root, f"{hub.url}/{path}", *options, hub=hub)
    assert pulled.returncode == 1
    assert sentence in pulled.stderr.splitlines()[-1]
    assert "Traceback" not in pulled.stderr
    assert [name for name in files_in(root) if name.endswith("gguf")] == []


def test_no_network_is_one_line(tmp_path):
    """The error says that the address cannot be reached."""
    root = make_root(tmp_path)
    with Hub(CONTENT, OWN) as hub:
        pulled = pull(root, f"http://127.0.0.1:{free_port()}/{OWN}", "--sha256", SUM, hub=hub)
    assert (pulled.returncode, "Traceback" in pulled.stderr) == (1, False)
    assert "broke off" in pulled.stderr.splitlines()[-1]


def test_a_model_is_removed(tmp_path):
    """By the name that the list shows, with what is left of its downloads; not what others have brought."""
    root = make_root(tmp_path)
    for name in (FILE, OWN):
        (root / "models" / name).write_bytes(CONTENT)
    elsewhere = tmp_path / "elsewhere.gguf"
    elsewhere.write_bytes(CONTENT)
    with Hub(CONTENT, FILE) as hub:
        removed = [stile(root, "models", "rm", name, hub=hub.url) for name in ("Small-Q4", OWN)]
        assert [each.returncode for each in removed] == [0, 0], removed
        assert files_in(root) == ["models.toml"]
        refused = stile(root, "models", "rm", str(elsewhere), hub=hub.url)
        assert (refused.returncode, "is not in" in refused.stderr, elsewhere.exists()) == (1, True, True)
        missing = stile(root, "models", "rm", "Small-Q4", hub=hub.url)
        assert (missing.returncode, "isn't here" in missing.stderr) == (1, True)
        hub.cut_at = 15_000_000
        stile(root, "models", "pull", "Small-Q4", hub=hub.url)
        assert files_in(root) == [".drafts", "models.toml"]
        assert stile(root, "models", "rm", "Small-Q4", hub=hub.url).returncode == 0
        assert not (root / "models" / ".drafts" / "Small-Q4").exists()


def test_llama_cpps_variables(tmp_path):
    """As Compose gives them to llama.cpp: the file in its container, the name, and the prompt cache."""
    root = make_root(tmp_path)
    (root / "models" / FILE).write_bytes(CONTENT)

    def variables(*options, **changed):
        argv = [STILE, "models", "variables", "Small-Q4", *options]
        environment = {**os.environ, "STILE_ROOT": str(root), **changed}
        shown = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True).stdout
        return dict(line.split("=", 1) for line in shown.splitlines())

    found = variables("--folder", "/models", "--memory", "300m")
    assert found == {
        "LLAMA_ARG_MODEL": f"/models/{FILE}",
        "LLAMA_ARG_ALIAS": "Small-Q4",
        "LLAMA_ARG_CACHE_RAM": found["LLAMA_ARG_CACHE_RAM"],
    }
    assert 64 <= int(found["LLAMA_ARG_CACHE_RAM"]) <= 75
    assert variables(STILE_PROMPT_CACHE="7", STILE_MODEL_NAME="house") == {
        "LLAMA_ARG_MODEL": str(root / "models" / FILE),
        "LLAMA_ARG_ALIAS": "house",
        "LLAMA_ARG_CACHE_RAM": "7",
    }
