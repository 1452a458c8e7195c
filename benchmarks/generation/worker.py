"""The worker alone with a fast model: messages, speed, CPU, and the gap between two answers.

The speed of the stand-in is set. The bus is the real one, with the project's permissions. To compare
two builds, name the program of the other one:

    .venv/bin/python benchmarks/generation/worker.py --consumer path/to/stile-consumer
"""

import argparse
import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from nats.aio.subscription import Subscription

HERE = Path(__file__).parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

from harness.models.standin import Standin  # noqa: E402
from harness.nats.bus import Bus  # noqa: E402 -- after the path of the tests' harness
from harness.parts.consumer import Requester, hear_all  # noqa: E402
from harness.processes.ports import free_port  # noqa: E402
from harness.processes.process import BIN, Process  # noqa: E402

TOKENS = 500
STREAMS = 5
QUEUED = 200


@dataclass(frozen=True)
class Streamed:
    """Medians of some streamed answers of one speed."""

    tokens_per_second: float
    messages: float
    cpu_milliseconds: float
    """The worker's processor time for one answer."""


async def streamed(requester: Requester, consumer: psutil.Process) -> Streamed:
    """Request ``STREAMS`` streamed answers, one after the other."""
    taken, messages, used = [], [], []
    for _ in range(STREAMS):
        before, begin = _cpu(consumer), time.perf_counter()
        _, hearing = await requester.approve("x", events="token")
        heard = await hear_all(hearing)
        taken.append(time.perf_counter() - begin)
        messages.append(sum(event == "token" for event, *_ in heard))
        used.append((_cpu(consumer) - before) * 1000)
    return Streamed(TOKENS / statistics.median(taken), statistics.median(messages), statistics.median(used))


async def gaps(requester: Requester, model: Standin) -> list[float]:
    """Queue ``QUEUED`` requests at once; return the milliseconds between their generations."""
    before = len((await model.log())["generations"])
    asked = [await requester.approve("x") for _ in range(QUEUED)]
    await asyncio.gather(*(_answered(hearing) for _, hearing in asked))
    generations = (await model.log())["generations"][before:]
    return [
        (later["started"] - earlier["ended"]) * 1000 for earlier, later in itertools.pairwise(generations)
    ]


async def _answered(hearing: Subscription) -> None:
    await hearing.next_msg(timeout=60)
    await hearing.unsubscribe()


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def measure(folder: Path, program: Path) -> None:
    """Measure one build and print its rows."""
    bus = await Bus(folder).start()
    try:
        for seconds in (0.0, 0.002, 0.01, 0.05):
            model = await Standin(folder, tokens=TOKENS, token_seconds=seconds).start()
            consumer = _consumer(folder, bus, model, program)
            requester = await Requester(bus).start()
            await hear_all((await requester.approve("warm", max_tokens=1))[1])
            row = await streamed(requester, psutil.Process(consumer.pid))
            print(
                f"| {seconds * 1000:.0f} ms | {row.tokens_per_second:.0f}/s | {row.messages:.0f} "
                f"| {row.cpu_milliseconds:.0f} ms |"
            )
            consumer.stop()
            model.stop()
        model = await Standin(folder, tokens=1).start()
        consumer = _consumer(folder, bus, model, program)
        between = await gaps(await Requester(bus).start(), model)
        quantiles = statistics.quantiles(between, n=100)
        print(f"between two generations: {statistics.median(between):.2f} ms, p99 {quantiles[98]:.2f} ms")
        consumer.stop()
        model.stop()
    finally:
        await bus.stop()


def _consumer(folder: Path, bus: Bus, model: Standin, program: Path) -> Process:
    settings = {
        **bus.environment("consumer"),
        "STILE_LLAMA_URL": model.url,
        "STILE_CONSUMER_PORT": str(free_port()),
        "STILE_LOG_LEVEL": "warn",
    }
    return Process(program, log=folder / "consumer.log", env=settings)


async def main() -> None:
    """Measure and print, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--consumer", type=Path, default=BIN / "stile-consumer", help="the build to measure")
    options = parser.parse_args()
    print("| a token each | tokens | messages an answer | the consumer's CPU an answer |\n|---|---|---|---|")
    scratch = HERE.parent / ".stile"
    scratch.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        await measure(Path(folder), options.consumer)


if __name__ == "__main__":
    asyncio.run(main())
