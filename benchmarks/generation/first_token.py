"""Time to the first token through Stile and from llama.cpp directly, and the gap between two generations.

Real llama.cpp with SmolLM2-135M. The same prompts go both ways, alternately, in one run. Each prompt
begins with a unique number, so that llama.cpp's prompt cache helps neither way.

The gap is measured while the queue is never empty. With llama.cpp it is the time from one answer's
end to the next one's first token, so it includes reading the next prompt, both ways. A stand-in
records when it starts and ends; with it, the gap is exactly its idle time.
"""

import argparse
import asyncio
import itertools
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

from measuring.machine import load, machine, write  # noqa: E402

from harness.models.llama import Llama  # noqa: E402
from harness.models.standin import Standin  # noqa: E402
from harness.parts.system import System  # noqa: E402

SETTINGS = {"STILE_POLICY": str(HERE / "policy.yml"), "STILE_LOG_LEVEL": "warning"}
WORDS = "the sky is blue because air scatters short waves of light more than long ones and so "
LENGTHS = (20, 200, 1000)
"""Characters of the prompts."""
ASKERS = 4
"""Clients that keep the queue from being empty."""
TOKENS = 24
NUMBERS = itertools.count()
"""Unique beginnings of the prompts, because llama.cpp caches prompts."""


@dataclass(frozen=True)
class Answer:
    """The times of one answer at a client, in seconds of one clock."""

    sent: float
    first: float
    ended: float


async def ask(client: httpx.AsyncClient, url: str, prompt: str, tokens: int) -> Answer:
    """Request a stream and measure its times."""
    body = {
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": tokens,
        "seed": 7,
        "stream": True,
    }
    sent, first = time.perf_counter(), 0.0
    async with client.stream("POST", f"{url}/v1/chat/completions", json=body) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if not line.startswith("data: {"):
                continue
            chunk: dict[str, Any] = json.loads(line.removeprefix("data: "))
            if "error" in chunk:
                raise RuntimeError(str(chunk["error"]))
            if not first and any(choice["delta"].get("content") for choice in chunk["choices"]):
                first = time.perf_counter()
    return Answer(sent, first, time.perf_counter())


async def first_tokens(client: httpx.AsyncClient, ways: dict[str, str], rounds: int) -> list[str]:
    """Measure the time to the first token, each way, for each length."""
    lines = [
        "| prompt | directly, p50 | through Stile, p50 | added, p50 | added, worst |",
        "|---|---|---|---|---|",
    ]
    for length in LENGTHS:
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            text = (WORDS * (length // len(WORDS) + 1))[:length]
            for name, url in ways.items():
                answer = await ask(client, url, f"{next(NUMBERS):06} {text}", 4)
                taken[name].append((answer.first - answer.sent) * 1000)
        direct, stile = taken["directly"], taken["through Stile"]
        added = [mine - own for mine, own in zip(stile, direct, strict=True)]
        middles = (statistics.median(times) for times in (direct, stile, added))
        cells = " | ".join(f"{middle:.1f} ms" for middle in middles)
        lines.append(f"| {length} characters | {cells} | {max(added):.1f} ms |")
    return lines


async def busy(client: httpx.AsyncClient, url: str, requests: int) -> list[Answer]:
    """Keep the queue full with ``ASKERS`` clients; return the answers, first to end first."""
    turns = iter(range(requests))

    async def asker() -> list[Answer]:
        return [await ask(client, url, f"{next(NUMBERS):06} Why?", TOKENS) for _ in turns]

    answers = await asyncio.gather(*(asker() for _ in range(ASKERS)))
    return sorted(itertools.chain(*answers), key=lambda answer: answer.ended)


def gaps(answers: list[Answer]) -> list[float]:
    """Return the milliseconds from an answer's end to the next one's first token.

    The last answers are left out, because the queue empties.
    """
    kept = answers[: len(answers) - ASKERS]
    return [(later.first - earlier.ended) * 1000 for earlier, later in itertools.pairwise(kept)]


async def standin_gaps(client: httpx.AsyncClient, url: str, model: Standin, requests: int) -> list[float]:
    """Measure the gap at a stand-in that records when it works."""
    before = len((await model.log())["generations"])
    await busy(client, url, requests)
    mine = (await model.log())["generations"][before : before + requests - ASKERS]
    return [(later["started"] - earlier["ended"]) * 1000 for earlier, later in itertools.pairwise(mine)]


def _line(name: str, milliseconds: list[float]) -> str:
    p90 = statistics.quantiles(milliseconds, n=10, method="inclusive")[8]
    return (
        f"| {name} | {statistics.median(milliseconds):.1f} ms | {p90:.1f} ms | {max(milliseconds):.1f} ms |"
    )


async def run(folder: Path, rounds: int, requests: int) -> list[str]:
    """Measure everything; return the tables."""
    # A connection for each: the server in xllamacpp now and then fails on one that carried a stream before.
    alone = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(timeout=600, trust_env=False, limits=alone) as client:
        (real := folder / "real").mkdir()
        llama = await Llama(real).start()
        system = System(real, llama, settings=SETTINGS)
        try:
            await system.start()
            ways = {"directly": llama.url, "through Stile": system.url}
            for url in ways.values():
                await ask(client, url, "warm", 4)
            first = await first_tokens(client, ways, rounds)
            gap_lines = [
                _line(f"end to first token, llama.cpp {name}", gaps(await busy(client, url, requests)))
                for name, url in ways.items()
            ]
        finally:
            await system.stop()
        (stood := folder / "standin").mkdir()
        model = await Standin(stood, tokens=TOKENS, token_seconds=0.005).start()
        system = System(stood, model, settings=SETTINGS)
        try:
            await system.start()
            await ask(client, system.url, "warm", 4)
            idle = await standin_gaps(client, system.url, model, requests)
            gap_lines.append(_line("the model idle, stand-in through Stile", idle))
        finally:
            await system.stop()
    return [
        *("## Time to the first token", "", f"One client; {rounds} rounds, alternating.", "", *first),
        *("", "## Between two generations, when the queue is never empty", ""),
        f"{ASKERS} clients that ask again at once, {requests} requests; one worker.",
        *("", "| | p50 | p90 | worst |", "|---|---|---|---|", *gap_lines),
    ]


async def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--requests", type=int, default=60, help="of each measurement of the gap")
    options = parser.parse_args()
    head = ["# First tokens, and the gap between generations", "", *machine()]
    head += [load(), ""]
    (scratch := HERE.parent / ".stile").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        tables = await run(Path(folder), options.rounds, options.requests)
    write("first-token", "\n".join(head + tables) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
