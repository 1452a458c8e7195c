"""How long the model is idle between two answers, for one build of the worker or several.

    .venv/bin/python benchmarks/generation/gaps.py [--consumer path/to/stile-consumer]... [--rounds 5]

The requests are in CHAT before the worker starts, so nothing else needs the processor. The builds are
measured by turns, in rounds of one run. The bus is the real one, with the project's permissions; the model
is ``measuring/model.py``.
"""

import argparse
import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil
from nats.aio.client import Client

HERE = Path(__file__).parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

from measuring.machine import load, machine  # noqa: E402 -- after the path of the tests' harness
from measuring.model import Model  # noqa: E402

from harness.nats.bus import Bus  # noqa: E402
from harness.processes.ports import free_port  # noqa: E402
from harness.processes.process import BIN, Process  # noqa: E402
from harness.processes.wait import until  # noqa: E402
from stile_contracts import headers, subjects  # noqa: E402
from stile_contracts.ids import new_id  # noqa: E402

TOKENS, TOKEN_SECONDS = 5, 0.005
"""Of each answer: 25 ms. If the model took no time, it would be measured how fast results are stored."""
BODY = b'{"messages":[{"role":"user","content":"Why is the sky blue?"}]}'


class Round:
    """The gaps of one round, in milliseconds, and the processor time of an answer, in milliseconds."""

    def __init__(self, record: list[tuple[float, float]], processor: dict[str, float]) -> None:
        self.gaps = [(later[0] - earlier[1]) * 1000 for earlier, later in itertools.pairwise(record)]
        self.processor = {part: seconds * 1000 / len(record) for part, seconds in processor.items()}


async def approve(client: Client, count: int, clients: int) -> None:
    """Put requests of several clients into CHAT, as the filter does."""
    stream = client.jetstream()
    for number in range(count):
        chat_id, name = new_id(), f"http-{number % clients}"
        deadline = int((time.time() + 600) * 1000)
        await stream.publish(
            subjects.approved(subjects.Lane.INTERACTIVE, name, chat_id),
            BODY,
            headers={
                headers.CHAT_ID: str(chat_id),
                headers.CHAT_CLIENT: name,
                headers.CHAT_DEADLINE: str(deadline),
                headers.CHAT_EVENTS: "none",
                headers.CHAT_REPLY_TO: f"{subjects.GATEWAY_INBOX}.bench",
                headers.CHAT_BODY_SHA256: "00" * 32,
            },
        )


async def measure(folder: Path, bus: Bus, program: Path, count: int, clients: int) -> Round:
    """Have one build answer ``count`` requests."""
    filter_ = await bus.connect("filter")
    await approve(filter_, count, clients)
    model = await Model(folder, tokens=TOKENS, token_seconds=TOKEN_SECONDS).start()
    settings = {
        **bus.environment("consumer"),
        "STILE_LLAMA_URL": model.url,
        "STILE_CONSUMER_PORT": str(free_port()),
        "STILE_LOG_LEVEL": "warn",
    }
    server = psutil.Process(bus.pid)
    before = _seconds(server)
    consumer = Process(program, log=folder / "consumer.log", env=settings)

    async def answered() -> bool:
        return len(await model.record()) == count

    await until(answered, within=120, what="all are answered")
    record = await model.record()
    processor = {"worker": _seconds(psutil.Process(consumer.pid)), "nats-server": _seconds(server) - before}
    consumer.stop()
    model.stop()
    return Round(record, processor)


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _row(name: str, rounds: list[Round]) -> str:
    gaps = [gap for each in rounds for gap in each.gaps]
    tenths = statistics.quantiles(gaps, n=10)
    medians = [statistics.median(each.gaps) for each in rounds]
    processor = [
        f"{statistics.median(each.processor[part] for each in rounds):.2f} ms" for part in rounds[0].processor
    ]
    cells = [
        f"{milliseconds:.2f} ms"
        for milliseconds in (min(medians), statistics.median(gaps), tenths[0], tenths[8])
    ]
    return f"| {name} | {' | '.join(cells + processor)} |"


async def main() -> None:
    """Measure and print, as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--consumer", type=Path, action="append", help="a build to measure; again for more")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=200, help="of a round")
    parser.add_argument("--clients", type=int, default=4, help="that take turns")
    options = parser.parse_args()
    programs: list[Path] = options.consumer or [BIN / "stile-consumer"]
    rounds: dict[Path, list[Round]] = {program: [] for program in programs}
    (scratch := HERE.parent / ".stile").mkdir(exist_ok=True)
    lines = [*machine(), load(), ""]
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        folder = Path(name)
        bus = await Bus(folder).start()
        try:
            for _, program in itertools.product(range(options.rounds), programs):
                done = await measure(folder, bus, program, options.requests, options.clients)
                rounds[program].append(done)
        finally:
            await bus.stop()
    lines += [
        "| build | best round, p50 | all, p50 | p10 | p90 | worker, an answer | nats-server, an answer |",
        "|---|---|---|---|---|---|---|",
        *(_row(program.name, done) for program, done in rounds.items()),
    ]
    print("\n".join(lines))


if __name__ == "__main__":
    asyncio.run(main())
