"""How llama.cpp is started: the model's name, its prompt cache, its threads."""

import psutil
import pytest

from stile.models import memory
from stile.models.library import Weights
from stile.settings import Settings
from stile.supervise import launch, parts
from stile.supervise.terminal import Terminal

MIB = 1 << 20


@pytest.fixture
def weights(tmp_path):
    """A model of 100 MiB."""
    path = tmp_path / "x.gguf"
    with path.open("wb") as file:
        file.truncate(100 * MIB)
    return Weights("x", path, kv_bytes=1 << 10)


def size(weights, **settings):
    """Return the size of the prompt cache, which is also said."""
    return launch.prompt_cache_mib(Settings(**settings), weights, Terminal())


def test_the_prompt_cache_is_a_share_of_the_free_memory(monkeypatch, weights, capsys):
    """And it is said what it holds."""
    monkeypatch.setattr(memory, "free", lambda: (100 + 4 + 1000) * MIB + memory.BUFFERS + memory.OTHERS)
    assert size(weights) == 500
    assert "prompt cache: 500 MiB, about 512 conversations of 1,000 tokens" in capsys.readouterr().out


@pytest.mark.parametrize("own", [0, 7, 100_000])
def test_the_owners_setting_wins(weights, own):
    """None at all, too."""
    assert size(weights, prompt_cache=own) == own


def test_llama_cpp_is_told(tmp_path, weights, monkeypatch):
    """A conversation that shares its beginning with another one must be saved before that one is read."""
    monkeypatch.setenv("PATH", str(tmp_path))
    addresses = parts.Addresses(1, 2, 3, 4)
    part = parts.llama(Settings(context=512, threads=5), addresses, weights, tmp_path / "key", 77)
    flags = " ".join(part.argv)
    assert f"--model {weights.path} --alias x" in flags
    assert "--ctx-size 512 --threads 5 --slot-prompt-similarity 0.9" in flags
    assert part.env["LLAMA_ARG_CACHE_RAM"] == "77"


@pytest.mark.parametrize(("physical", "allowed", "threads"), [(4, 8, 4), (4, 2, 2), (None, 3, 3), (1, 1, 1)])
def test_a_thread_for_each_core_that_may_be_used(monkeypatch, physical, allowed, threads):
    """Two threads on one core are slower than one; what a group or `taskset` forbids is no core."""
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 8 if logical else physical)
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda _: list(range(allowed)))
    assert parts.threads() == threads
