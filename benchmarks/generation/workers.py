"""Throughput of 1, 2, 4 and 8 workers, each with a stand-in model of fixed speed.

    .venv/bin/python benchmarks/generation/workers.py [--seconds 8] [--cluster] [--tokens 20]
        [--token-seconds 0.01]

Workers join while the system runs. With ``--cluster`` the bus is three servers with R3 streams.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import psutil

HERE = Path(__file__).parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

from bench import prompt_of, to_model  # noqa: E402
from measuring import load  # noqa: E402
from measuring.machine import machine  # noqa: E402

from harness.nats.bus import Bus  # noqa: E402
from harness.nats.cluster import Cluster  # noqa: E402
from harness.parts.fleet import Fleet  # noqa: E402

WORKERS = (1, 2, 4, 8)
CLIENTS_EACH = 4
"""Requests for each worker, so that some always wait."""


async def measure(fleet: Fleet, seconds: float) -> list[str]:
    """Add workers step by step; return the table."""
    body = prompt_of(100)
    model = next(iter(fleet.models.values()))
    direct = await load.run(f"{model.url}/v1/chat/completions", to_model(body), clients=1, seconds=seconds)
    url = f"{fleet.parts['gateway-1'].url}/chat"
    lines = [
        f"A model alone, asked directly: {direct.rate:.2f}/s.",
        "",
        "| workers | answers | of what the models could | p50 | processor, both cores = 200 % |",
        "|---|---|---|---|---|",
    ]
    for workers in WORKERS:
        joining = [f"consumer-{number}" for number in range(len(fleet.models) + 1, workers + 1)]
        for name in joining:
            await fleet.add(name)
        await fleet.ready(*joining)
        await load.run(url, body, clients=workers, seconds=1)  # warm
        psutil.cpu_percent()
        run = await load.run(url, body, clients=workers * CLIENTS_EACH, seconds=seconds)
        busy = psutil.cpu_percent() * (psutil.cpu_count() or 1)
        share = run.rate / (direct.rate * workers)
        lines.append(f"| {workers} | {run.rate:.1f}/s | {share:.0%} | {run.p50:.0f} ms | {busy:.0f} % |")
    return lines


async def main() -> None:
    """Measure, and print the table as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--cluster", action="store_true", help="three servers, R3")
    parser.add_argument("--tokens", type=int, default=20, help="of each answer")
    parser.add_argument("--token-seconds", type=float, default=0.01, help="between two tokens")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bus = await (Cluster(folder) if options.cluster else Bus(folder)).start()
        fleet = Fleet(folder, bus, tokens=options.tokens, token_seconds=options.token_seconds)
        try:
            await fleet.start()
            servers = "three servers, R3" if options.cluster else "one server"
            lines = await measure(fleet, options.seconds)
            print("\n".join([*machine(), "", f"## {servers}, {options.tokens} tokens an answer", "", *lines]))
        finally:
            await fleet.stop()
            await bus.stop()


if __name__ == "__main__":
    asyncio.run(main())
