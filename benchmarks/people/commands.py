"""The processor time of short commands of `stile`, from the start of the process to its end.

Each command is called several times, and the least counts: other work on the machine adds to the rest.
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

STILE = Path(sys.executable).with_name("stile")
CALLS = 7
COMMANDS = (
    "--help",
    "--version",
    "up --help",
    "status",
    "down",
    "logs --help",
    "doctor --help",
    "chat --help",
    "top --help",
    "keys list",
    "clients list",
    "models list",
    "policy --help",
    "dlq --help",
)


def least(arguments: list[str], home: str) -> float:
    """Return the processor time of the cheapest call, in seconds."""
    spent = []
    for _ in range(CALLS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [STILE, *arguments], env={**os.environ, "STILE_HOME": home}, capture_output=True, check=False
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


def main() -> None:
    """Print a table."""
    print("| command | processor time |\n|---|---|")
    with tempfile.TemporaryDirectory() as home:
        for command in COMMANDS:
            print(f"| `stile {command}` | {1000 * least(command.split(), home):.0f} ms |")


if __name__ == "__main__":
    main()
