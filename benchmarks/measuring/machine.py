"""The description of the machine for a table, and the file of the table."""

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

import psutil

RESULTS = Path(__file__).parents[1] / "results"


def machine() -> list[str]:
    """Describe the machine in a few lines."""
    model = next(
        (line.split(": ")[1] for line in _cpuinfo() if line.startswith("model name")), platform.machine()
    )
    memory = psutil.virtual_memory().total / 2**30
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return [f"{os.cpu_count()} cores of {model}, {memory:.0f} GiB, {system}."]


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def load() -> str:
    """Describe the present load of the machine, which affects the results, and the command."""
    minute, *_ = os.getloadavg()
    command = " ".join([".venv/bin/python", *sys.argv])
    return f"Load average over the last minute when the run began: {minute:.1f}. `{command}`"


def write(name: str, report: str) -> None:
    """Print a report and write it to ``results/DATE-NAME.md``."""
    print(report)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{datetime.now(UTC).date()}-{name}.md").write_text(report)
