"""How much memory a model needs, and how much of the rest its prompt cache may have.

llama.cpp keeps the keys and values of finished prompts in this cache. A client's next turn then reads
only what is new, also if others asked in between (docs/adr/0054).
"""

import re
from pathlib import Path

import psutil

from stile.errors import ModelError

BUFFERS = 300 << 20
"""Bytes of llama.cpp's own code and buffers beside weights, context and prompt cache. An estimate: 60 MB
measured with SmolLM2-135M; a larger vocabulary needs more."""
OTHERS = 400 << 20
"""Bytes that the other parts take after the model is loaded (docs/docker.md), rounded up."""
_SHARE = 2
"""A half of what is then free: the owner's other programs have the other half."""
LEAST_MIB = 64
GROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")


def needed(weights: int, kv_bytes: int | None, context: int) -> int:
    """Return the bytes that a model takes without a prompt cache.

    Args:
        weights: bytes of its file.
        kv_bytes: of the keys and values of one token; None if it is not known.
        context: tokens of a conversation and its answer together.
    """
    return weights + (kv_bytes or 0) * context + BUFFERS


def cache_mib(free: int, model: int) -> int:
    """Return the size of the prompt cache, in MiB.

    Args:
        free: bytes that are free before the model is loaded.
        model: bytes that it takes itself.
    """
    return max((free - model - OTHERS) // _SHARE >> 20, LEAST_MIB)


def cache_mib_within(limit: int, model: int) -> int:
    """Return the size of the prompt cache of a llama.cpp with a limit of its own, in MiB.

    Args:
        limit: bytes that it may take, as its container says; nothing else is in that container.
        model: bytes that it takes without a prompt cache.
    """
    inside = (limit - model) * 3 // 4 >> 20
    return max(min(inside, cache_mib(available(), model)), LEAST_MIB)


def available() -> int:
    """Return the bytes that programs of this machine can still have."""
    return int(psutil.virtual_memory().available)


def free() -> int:
    """Return the bytes that this process and its children may still take: of the machine, and of its group.

    systemd's ``MemoryMax`` and a container's limit are limits of a control group (version 2).
    """
    own = next((line[3:] for line in _lines(OWN_GROUP) if line.startswith("0::")), "/")
    group = (GROUPS / own.strip("/")).resolve()
    left = [available()]
    while group == GROUPS or GROUPS in group.parents:
        if (rest := _rest(group)) is not None:
            left.append(rest)
        group = group.parent
    return min(left)


def _rest(group: Path) -> int | None:
    """Return the bytes below one group's limit, or None if it has none."""
    limit = next(iter(_lines(group / "memory.max")), "max")
    used = next(iter(_lines(group / "memory.current")), "")
    if not (limit.isdecimal() and used.isdecimal()):
        return None
    statistics = dict(line.split(" ", 1) for line in _lines(group / "memory.stat") if " " in line)
    # Pages of files are given up if memory is needed.
    files = sum(int(statistics.get(name, 0)) for name in ("inactive_file", "active_file"))
    return max(int(limit) - int(used) + files, 0)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def of_units(text: str) -> int:
    """Read an amount of memory as Docker does: ``3g``, ``512m``, ``100k``, or bytes.

    Raises:
        ModelError: it is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([bkmg]?)b?", text.strip().lower())
    if match is None:
        raise ModelError(f"--memory {text}: should be like 3g or 512m")
    return int(float(match[1]) * 1024 ** "bkmg".index(match[2] or "b"))
