"""What it costs to know own answers when they come back: time of an answer and of a look-up, memory, disk."""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import psutil

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from measuring.load import Connection  # noqa: E402
from measuring.machine import load, machine, write  # noqa: E402

from harness.models.standin import Standin  # noqa: E402
from harness.parts.system import System  # noqa: E402
from stile_contracts import subjects  # noqa: E402

POLICY = "keywords:\n- {id: asked, category: rude, phrases: [blast], applies_to: [prompt]}\n"
TURNS = 20
"""Questions of the conversation; each has an answer that a rule for requests would refuse."""


async def times(url: str, body: bytes, count: int) -> list[float]:
    """Return how long each of ``count`` requests took, in milliseconds."""
    connection = Connection(url)
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        await connection.post(body)
        taken.append((time.perf_counter() - began) * 1000)
    connection.close()
    return taken


async def run(count: int, most: int) -> list[str]:
    """Start the system, measure, and return the report."""
    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder) / "policy.yml"
        policy.write_text(POLICY)
        model = await Standin(Path(folder), tokens=1).start()
        system = await System(Path(folder), model, settings={"STILE_POLICY": str(policy)}).start()
        try:
            url = f"{system.url}/chat"
            question = json.dumps({"prompt": "Hello."}).encode()
            for number in range(TURNS):
                await model.says(f"Oh blast {number}.")
                await times(url, question, 1)
            plain = conversation("Fine")
            own = conversation("Oh blast")
            rounds = [
                [statistics.median(await times(url, body, count)) for body in (plain, own)] for _ in range(5)
            ]
            server = psutil.Process(system.bus.pid)
            provisioner = (await system.bus.connect("provisioner")).jetstream()
            writer = (await system.bus.connect("filter")).jetstream()
            before = server.memory_info().rss
            began = time.perf_counter()
            for _ in range(200):
                await writer.publish(subjects.written("alice", uuid4().hex))
            one = (time.perf_counter() - began) / 200 * 1000
            for _ in range(0, most, 500):
                await asyncio.gather(
                    *(writer.publish(subjects.written("alice", uuid4().hex)) for _ in range(500))
                )
            info = await provisioner.stream_info(subjects.WRITTEN_STREAM)
            grown = server.memory_info().rss - before
        finally:
            await system.stop()
    medians = [statistics.median(column) for column in zip(*rounds, strict=True)]
    held = info.state.messages
    return [
        "# Own answers that come back",
        "",
        *machine(),
        load(),
        "",
        f"A conversation of {TURNS} questions before a stand-in without latency, five rounds of {count}",
        "requests of each kind: the median of the rounds' medians.",
        "",
        "| | |",
        "|---|---|",
        f"| a request whose conversation no rule objects to | {medians[0]:.1f} ms |",
        f"| one with {TURNS} own answers that a rule objects to | {medians[1]:.1f} ms |",
        f"| one hash written, with its fsync | {one:.2f} ms |",
        f"| {held} hashes on the disk | {info.state.bytes / 1e6:.1f} MB |",
        f"| nats-server's memory for them | {grown / 1e6:.0f} MB |",
        "",
    ]


def conversation(answer: str) -> bytes:
    """Return a request with this answer in each turn, and a number."""
    turns = [
        turn for number in range(TURNS) for turn in (("user", "Why?"), ("assistant", f"{answer} {number}."))
    ]
    messages = [{"role": role, "content": content} for role, content in (*turns, ("user", "Why?"))]
    return json.dumps({"messages": messages}).encode()


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--most", type=int, default=100_000)
    options = parser.parse_args()
    write("own-answers", "\n".join(asyncio.run(run(options.count, options.most))))


if __name__ == "__main__":
    main()
