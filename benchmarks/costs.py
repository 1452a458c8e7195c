"""Where a request's processor time goes: each part's milliseconds, and a profile of each Python part.

The profiles are py-spy's (https://github.com/benfred/py-spy). It looks at a running process 200 times a
second, and changes nothing in it. It is no dependency of Stile: `uv tool install py-spy`.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from bench import SETTINGS, prompt_of  # noqa: E402 -- after the path of the tests' harness
from measuring import processor  # noqa: E402

from harness.models.standin import Standin  # noqa: E402
from harness.parts.system import System  # noqa: E402

PYTHON_PARTS = ("gateway", "filter")
MOST = 40


def functions(raw: Path) -> list[str]:
    """Return a table of a raw profile: the share of samples in which a function ran, and was called."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line in raw.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [frame.rpartition(":")[0] or frame for frame in stack.split(";")]
        own[frames[-1]] += int(count)
        for frame in set(frames):
            total[frame] += int(count)
    samples = sum(own.values()) or 1
    lines = ["| own | with what it calls | function |", "|---|---|---|"]
    return lines + [
        f"| {own[frame] / samples:.1%} | {count / samples:.1%} | {frame} |"
        for frame, count in total.most_common(MOST)
    ]


async def main() -> None:
    """Print each part's processor time for a request, and with ``--py-spy`` the profiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--py-spy", help="the program; without it only the times are measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=HERE.parent / ".stile") as name:
        folder = Path(name)
        model = await Standin(folder).start()
        system = await System(folder, model, settings=SETTINGS).start()
        body = prompt_of(100)
        try:
            await processor.milliseconds_a_request(system, body, 1.0)
            runs = [
                await processor.milliseconds_a_request(system, body, options.seconds)
                for _ in range(options.rounds)
            ]
            print("| part | processor time for a request |\n|---|---|")
            for part in runs[0]:
                print(f"| {part} | {statistics.median(run[part] for run in runs):.2f} ms |")
            print(f"| all | {statistics.median(sum(run.values()) for run in runs):.2f} ms |")
            for part in PYTHON_PARTS if options.py_spy else ():
                raw = folder / f"{part}.raw"
                command = [options.py_spy, "record", "-r", "200", "-f", "raw", "-o", str(raw)]
                spy = await asyncio.create_subprocess_exec(
                    *(*command, "-d", str(int(options.seconds)), "-p", str(system.parts[part].pid)),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                await processor.milliseconds_a_request(system, body, options.seconds + 1)
                await spy.wait()
                print(f"\n## {part}\n\n" + "\n".join(functions(raw)))
        finally:
            await system.stop()


if __name__ == "__main__":
    asyncio.run(main())
