"""The memory of all parts of `stile up`, and how long they take to start; the model is a stand-in.

PSS is counted: a page that several processes share counts once (Linux, /proc/PID/smaps_rollup).
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from measuring import machine  # noqa: E402 -- after the path of the tests' harness
from measuring.load import run  # noqa: E402

from harness.models.standin import Standin  # noqa: E402
from harness.parts.up import Up  # noqa: E402

NO_SCANNERS = "keywords: []\ninput_scanners: []\n"
SETTLED_SECONDS = 5.0
"""After the start, until a process has given back what only its start needed."""


def megabytes(process: psutil.Process) -> float:
    """Return the memory of a process in MB: its own, and its share of what it has in common with others."""
    fields = (line.split() for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines())
    return next(int(field[1]) for field in fields if field[0] == "Pss:") * 1024 / 1e6


def memory(up: Up, parts: dict[str, int]) -> dict[str, float]:
    """Return each process's MB, by what it is."""
    used = {"supervisor": megabytes(psutil.Process(up.process.pid))}
    for part, pid in parts.items():
        root = psutil.Process(pid)
        used[part] = megabytes(root)
        children = [megabytes(child) for child in root.children(recursive=True)]
        if children:
            used[f"{part}: {len(children)} scanner processes"] = sum(children)
    return used


async def once(*, guard: bool, seconds: float) -> tuple[dict[str, float], dict[str, float], float]:
    """Start everything; return the memory idle and after a load, and the seconds of the start."""
    scratch = HERE.parent / ".stile"
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        folder = Path(name)
        model = await Standin(folder).start()
        settings = {"STILE_LLAMA_URL": model.url, "STILE_API_KEYS": "off"}
        if not guard:
            policy = folder / "policy.yml"
            policy.write_text(NO_SCANNERS)
            settings["STILE_POLICY"] = str(policy)
        began = time.monotonic()
        up = await Up(folder, **settings).start().ready()
        took = time.monotonic() - began
        try:
            status = await up.status()
            parts = {part: row["pid"] for part, row in status.items() if row["pid"]}
            await asyncio.sleep(SETTLED_SECONDS)
            idle = memory(up, parts)
            await run(f"{up.url}/chat", b'{"prompt": "Why is the sky blue?"}', clients=8, seconds=seconds)
            return idle, memory(up, parts), took
        finally:
            await asyncio.to_thread(up.process.stop)
            await asyncio.to_thread(model.stop)


async def main() -> None:
    """Print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of the load")
    options = parser.parse_args()
    lines = ["# Memory of all parts", "", *machine.machine(), "", machine.load()]
    for guard, title in ((True, "The default policy"), (False, "A policy without keywords and scanners")):
        rounds = [await once(guard=guard, seconds=options.seconds) for _ in range(options.rounds)]
        lines += ["", f"## {title}", "", "| process | PSS, idle | PSS, after a load |", "|---|---|---|"]
        sums = [0.0, 0.0]
        for part in rounds[0][0]:
            medians = [statistics.median(r[which][part] for r in rounds) for which in (0, 1)]
            sums = [total + one for total, one in zip(sums, medians, strict=True)]
            lines.append(f"| {part} | {medians[0]:.0f} MB | {medians[1]:.0f} MB |")
        lines.append(f"| **all** | **{sums[0]:.0f} MB** | **{sums[1]:.0f} MB** |")
        lines += ["", f"`stile up` took {statistics.median(r[2] for r in rounds):.1f} s to be ready."]
    machine.write("memory", "\n".join(lines) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
