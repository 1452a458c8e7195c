"""What a turn of a long conversation costs the model if others ask in between.

llama.cpp and the small model are the real ones, with one slot. People ask in turn; each has a history of a
thousand tokens. llama.cpp itself says how many tokens of a prompt it read anew, and how many it had already.
One person alone, on a second server, asks once in each round, so that both are measured under the same load.

    .venv/bin/python benchmarks/generation/prompt_cache.py   # twenty minutes on two quiet cores (an estimate)
    .venv/bin/python benchmarks/generation/prompt_cache.py --only thirty --people 8 --turns 4
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import psutil

HERE = Path(__file__).parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

from measuring.machine import load, machine, write  # noqa: E402

from harness.models.llama import Llama  # noqa: E402 -- after the path of the tests' harness

HISTORY_WORDS = 920
"""About 1,000 tokens."""
EXCHANGES = 4
QUESTION_WORDS = 15
ANSWER_TOKENS = 8
WORDS = """
the a river mountain yellow quickly house garden teacher walks sings under over because winter summer apple
bread train station child reads book letter green blue old new small large water fire stone paper friend city
road bridge music paints writes opens closes morning evening
"""
HEADINGS = (
    "| setup | people | prompt cache | similarity | tokens of a prompt | read anew, p50 | most "
    "| first token, p50 | processor time, p50 |"
)


@dataclass(frozen=True)
class Setup:
    """One row of the table."""

    name: str
    people: int
    turns: int
    shared_words: int
    """Of a system prompt that all conversations begin with; the histories are so much shorter."""
    cache_mib: int
    similarity: float
    cache_type: str = "f16"


SETUPS = (
    Setup("thirty", 30, 8, 0, 2048, 0.9),
    Setup("thirty, q8_0", 30, 8, 0, 2048, 0.9, "q8_0"),
    Setup("before: 256 MiB", 15, 1, 0, 256, 0.1),
    Setup("one system prompt", 8, 3, 500, 2048, 0.9),
    Setup("one system prompt, llama.cpp's similarity", 8, 3, 500, 2048, 0.1),
)


@dataclass
class Turns:
    """What llama.cpp said of each turn but the first, in which everything is new."""

    prompt: list[int] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    """Milliseconds until the first token."""
    used: list[float] = field(default_factory=list)
    """Milliseconds of llama.cpp's processor time, which other programs disturb little."""

    def row(self, name: str, people: int, setup: Setup) -> str:
        """Write a line of the table."""
        return (
            f"| {name} | {people} | {setup.cache_mib} MiB {setup.cache_type} | {setup.similarity:g} "
            f"| {statistics.median(self.prompt):.0f} | {statistics.median(self.read):.0f} | {max(self.read)} "
            f"| {statistics.median(self.first):.0f} ms | {statistics.median(self.used):.0f} ms |"
        )


class Person:
    """A client with a conversation of its own."""

    def __init__(self, name: str, setup: Setup) -> None:
        self._random = random.Random(name)
        self._messages: list[dict[str, str]] = []
        if setup.shared_words:
            self._say("system", setup.shared_words, random.Random("shared"))
        words = (HISTORY_WORDS - setup.shared_words) // (2 * EXCHANGES)
        for _ in range(EXCHANGES):
            self._say("user", words, self._random)
            self._say("assistant", words, self._random)

    def _say(self, role: str, words: int, source: random.Random) -> None:
        self._messages.append({"role": role, "content": " ".join(source.choices(WORDS.split(), k=words))})

    async def ask(self, llama: Llama, heard: Turns | None) -> None:
        """Ask the next question, and keep the answer as any client does."""
        self._say("user", QUESTION_WORDS, self._random)
        before = _used(llama)
        begin, first, said, timings = time.perf_counter(), 0.0, "", dict[str, Any]()
        request = {"messages": self._messages, "stream": True, "max_tokens": ANSWER_TOKENS, "temperature": 0}
        async with (
            httpx.AsyncClient(timeout=1800) as client,
            client.stream("POST", f"{llama.url}/v1/chat/completions", json=request) as answer,
        ):
            async for line in answer.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                event = json.loads(line.removeprefix("data: "))
                timings = event.get("timings") or timings
                text = event["choices"][0]["delta"].get("content") if event["choices"] else None
                if text:
                    first = first or time.perf_counter() - begin
                    said += text
        self._messages.append({"role": "assistant", "content": said})
        if heard is not None:
            heard.prompt.append(timings["prompt_n"] + timings["cache_n"])
            heard.read.append(timings["prompt_n"])
            heard.first.append(first * 1000)
            heard.used.append((_used(llama) - before) * 1000)


async def measure(setup: Setup, folder: Path, threads: int) -> list[str]:
    """Let everybody ask in turn; return the rows of those who share a model and of one alone."""
    together, alone = Turns(), Turns()
    people = [Person(str(number), setup) for number in range(setup.people)]
    single = Person("alone", setup)
    shared, own = _server(setup, folder / "shared", threads), _server(setup, folder / "own", threads)
    try:
        await shared.start()
        await own.start()
        for turn in range(setup.turns + 1):
            for person in people:
                await person.ask(shared, together if turn else None)
            await single.ask(own, alone if turn else None)
            sys.stderr.write(f"{setup.name}: turn {turn} of {setup.turns}\n")
    finally:
        shared.stop()
        own.stop()
    return [together.row(setup.name, setup.people, setup), alone.row("the same, alone", 1, setup)]


def _used(llama: Llama) -> float:
    """Return the seconds of processor time that a server has used."""
    if llama.process is None:
        return 0.0
    times = psutil.Process(llama.process.pid).cpu_times()
    return float(times.user + times.system)


def _server(setup: Setup, folder: Path, threads: int) -> Llama:
    folder.mkdir()
    return Llama(
        folder,
        context=4096,
        flags=("--threads", str(threads), "--slot-prompt-similarity", str(setup.similarity)),
        env={
            "LLAMA_ARG_CACHE_RAM": str(setup.cache_mib),
            "LLAMA_ARG_CACHE_TYPE_K": setup.cache_type,
            "LLAMA_ARG_CACHE_TYPE_V": setup.cache_type,
        },
    )


async def main(setups: Sequence[Setup], threads: int) -> None:
    """Measure and write the table."""
    begun = load()
    rows = []
    for setup in setups:
        with tempfile.TemporaryDirectory() as folder:
            rows += await measure(setup, Path(folder), threads)
        print("\n".join(rows[-2:]))
    write(
        "prompt-cache",
        "\n".join(
            [
                "# The prompt cache, and people who ask in turn",
                "",
                *machine(),
                f"{begun}; {threads} thread{'' if threads == 1 else 's'} of llama.cpp.",
                "",
                HEADINGS,
                "|---" * HEADINGS.count(" | ") + "|---|",
                *rows,
                "",
            ]
        ),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=[setup.name for setup in SETUPS], help="two rows of the table")
    parser.add_argument("--people", type=int, help="fewer, on a busy machine")
    parser.add_argument("--turns", type=int, help="the same")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    fewer = {name: count for name in ("people", "turns") if (count := getattr(options, name)) is not None}
    chosen = [replace(setup, **fewer) for setup in SETUPS if options.only in (None, setup.name)]
    asyncio.run(main(chosen, options.threads))
