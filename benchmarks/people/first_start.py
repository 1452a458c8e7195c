"""From a clone to a page that is ready: the seconds, and the size of what is installed, for some commits.

    .venv/bin/python benchmarks/people/first_start.py              # this commit
    .venv/bin/python benchmarks/people/first_start.py main~20 HEAD

Each commit is cloned into a new folder, and `make up` is run there. Downloads come from uv's and cargo's
caches if they are there, so what is computed is compared. With STILE_WHEELS the worker is not compiled.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests")]

from measuring.machine import load, machine  # noqa: E402

from harness.parts.up import PORTS  # noqa: E402

FIRST_PORT = 18_700


def main() -> None:
    """Measure each commit, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commits", nargs="*", default=["HEAD"])
    commits = parser.parse_args().commits
    print("\n".join([*machine(), "", load(), ""]))
    print("| commit | clone to page, s | processor time, s | .venv, MB |")
    print("|---|---|---|---|")
    for commit in commits:
        name = _git("rev-parse", "--short", commit)
        with tempfile.TemporaryDirectory(prefix="first-start-") as folder:
            seconds, processor, size = _measure(name, Path(folder) / "stile")
        print(f"| {name} | {seconds:.0f} | {processor:.0f} | {size} |", flush=True)


def _measure(commit: str, checkout: Path) -> tuple[float, float, int]:
    """Return the seconds until the page answers, the processor time in seconds, and the size in MB."""
    ports = {f"STILE_{name}": str(FIRST_PORT + number) for number, name in enumerate(PORTS)}
    log = checkout.with_name("log")
    before, began = _processor(), time.monotonic()
    _git("clone", "--quiet", str(ROOT), str(checkout))
    _git("-C", str(checkout), "checkout", "--quiet", commit)
    with log.open("w") as sink:
        up = subprocess.Popen(["make", "up"], cwd=checkout, env=os.environ | ports, stdout=sink, stderr=sink)
        while not _is_ready(ports["STILE_PORT"]):
            if up.poll() is not None:
                sys.exit(f"{commit}: make up ended:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)
        seconds = time.monotonic() - began
        size = subprocess.run(
            ["du", "-sm", checkout / ".venv"], capture_output=True, text=True, check=True
        ).stdout.split()[0]
        subprocess.run(
            ["make", "down"], cwd=checkout, env=os.environ | ports, check=True, capture_output=True
        )
        up.wait()
    return seconds, _processor() - before, int(size)


def _is_ready(port: str) -> bool:
    try:
        for path in ("/readyz", "/"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                answer.read()
    except (urllib.error.URLError, OSError):
        return False
    return True


def _processor() -> float:
    """Return the processor time of all children that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


if __name__ == "__main__":
    main()
