"""200 clients connect; half leave while they wait, and a quarter in the middle of their answer.

`tests/integration/system/test_leavers.py` asserts the counts. This prints them as a table, for more rounds.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

from measuring.machine import load, machine, write  # noqa: E402

from harness.clients.leaving_clients import SHORT, LeavingClients  # noqa: E402
from harness.models.standin import Standin  # noqa: E402
from harness.parts.system import System  # noqa: E402
from harness.processes.footprint import Footprint, footprints  # noqa: E402

POLICY = HERE / "policy.yml"


def counted(crowd: LeavingClients, generations: list[dict[str, object]], seconds: float) -> str:
    """Return the row of one round."""
    mine = [entry for entry in generations if str(entry["prompt"]).startswith(crowd.name)]
    asked = Counter(entry["prompt"] for entry in mine)
    own = sum(crowd.answers.get(prompt) == f"echo: {prompt} word word" for prompt in crowd.staying)
    wasted = sum(asked[prompt] for prompt in crowd.in_queue)
    stopped = sum(entry["outcome"] == "cancelled" and entry["prompt"] in crowd.in_answer for entry in mine)
    return (
        f"| {crowd.name} | {own} of {len(crowd.staying)} | {wasted} of {len(crowd.in_queue)} "
        f"| {stopped} of {len(crowd.in_answer)} | {seconds:.1f} s |"
    )


async def main() -> None:
    """Run the rounds and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--clients", type=int, default=200)
    options = parser.parse_args()
    lines = [
        "# Clients that leave",
        "",
        *machine(),
        load(),
        "",
        f"{options.clients} clients, each from an address of its own, connect while one answer is written.",
        "Half leave before their turn, a quarter at their first token. The model's own answers take 50 s,",
        f"those that are waited for {SHORT} tokens of 50 ms.",
        "",
        "| | stayed, and answered | left in the queue, yet generated | left in mid-answer, stopped | |",
        "|---|---|---|---|---|",
    ]
    held: list[dict[str, Footprint]] = []
    (scratch := HERE.parent / ".stile").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        model = await Standin(Path(folder), tokens=1000, token_seconds=0.05).start()
        system = System(Path(folder), model, settings={"STILE_POLICY": str(POLICY)})
        try:
            await system.start()
            provisioner = await system.bus.connect("provisioner")
            held.append(footprints(system))
            for number in range(options.rounds):
                began = time.perf_counter()
                crowd = LeavingClients(options.clients, f"round {number + 1}")
                await crowd.visit(system, provisioner)
                seconds = time.perf_counter() - began
                lines.append(counted(crowd, (await model.log())["generations"], seconds))
                held.append(footprints(system))
            most = (await model.log())["most_open"]
        finally:
            await system.stop()
    lines += ["", f"Requests that were ever open at the model at once: {most}.", "", "## What is held", ""]
    lines += ["Resident memory in MB, and open descriptors.", ""]
    parts = list(held[0])
    lines += ["| after | " + " | ".join(parts) + " |", "|---" * (1 + len(parts)) + "|"]
    for number, footprint in enumerate(held):
        cells = [f"{part.megabytes:.1f}, {part.descriptors}" for part in footprint.values()]
        lines.append(f"| {f'round {number}' if number else 'the start'} | " + " | ".join(cells) + " |")
    write("leavers", "\n".join(lines) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
