"""The size of llama.cpp's prompt cache."""

import pytest

from stile.errors import ModelError
from stile.models import memory

MIB = 1 << 20
MODEL = 800 * MIB


def test_half_of_what_is_left_is_for_the_prompt_cache():
    """After the model, and after the other parts, which start later."""
    free = MODEL + memory.OTHERS + 2000 * MIB
    assert memory.cache_mib(free, MODEL) == 1000


def test_a_full_machine_has_the_least():
    """A model that does not even fit is reported elsewhere."""
    assert memory.cache_mib(MODEL, MODEL) == memory.LEAST_MIB
    assert memory.cache_mib(0, MODEL) == memory.LEAST_MIB


def test_the_memory_that_a_model_needs():
    """Weights, the keys and values of a whole context, and buffers."""
    assert memory.needed(MODEL, 1000, 4096) == MODEL + 4_096_000 + memory.BUFFERS
    assert memory.needed(MODEL, None, 4096) == MODEL + memory.BUFFERS


@pytest.mark.parametrize(
    ("machine", "size"), [(64 << 30, (3072 - 800) * 3 // 4), (MODEL + memory.OTHERS + 400 * MIB, 200)]
)
def test_a_container_has_a_limit_of_its_own(monkeypatch, machine, size):
    """Nothing else is in it; but the machine may have less than the container may take."""
    monkeypatch.setattr(memory, "available", lambda: machine)
    assert memory.cache_mib_within(3 << 30, MODEL) == size


@pytest.mark.parametrize(
    ("text", "size"),
    [("3g", 3 << 30), ("512M", 512 << 20), ("1.5gb", 3 << 29), ("100k", 102400), ("77b", 77), ("9", 9)],
)
def test_amounts_as_docker_reads_them(text, size):
    """Units are powers of 1,024."""
    assert memory.of_units(text) == size


@pytest.mark.parametrize("text", ["", "g", "3t", "-1", "1e3"])
def test_what_is_no_amount(text):
    """It names itself."""
    with pytest.raises(ModelError, match="should be like 3g"):
        memory.of_units(text)


def test_a_control_groups_limit_counts(monkeypatch, tmp_path):
    """As systemd's MemoryMax: of the group itself and of those around it. Files in memory can be given up."""
    groups = tmp_path / "cgroup"
    unit = groups / "system.slice" / "stile.service"
    unit.mkdir(parents=True)
    own = tmp_path / "own"
    own.write_text("1:name=systemd:/\n0::/system.slice/stile.service\n")
    monkeypatch.setattr(memory, "GROUPS", groups)
    monkeypatch.setattr(memory, "OWN_GROUP", own)
    monkeypatch.setattr(memory, "available", lambda: 9 << 30)
    assert memory.free() == 9 << 30
    (unit / "memory.max").write_text("max\n")
    (unit.parent / "memory.max").write_text(f"{2 << 30}\n")
    (unit.parent / "memory.current").write_text(f"{1 << 30}\n")
    assert memory.free() == 1 << 30
    (unit.parent / "memory.stat").write_text(f"anon 5\ninactive_file {100 * MIB}\nactive_file {28 * MIB}\n")
    assert memory.free() == (1 << 30) + 128 * MIB
    (unit / "memory.max").write_text(f"{300 * MIB}\n")
    (unit / "memory.current").write_text(f"{400 * MIB}\n")
    assert memory.free() == 0
