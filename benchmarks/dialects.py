"""What an answer costs the gateway in each API: processor time and memory, whole and streamed.

The whole system before a stand-in without latency. The same question goes to each API in turn, so that a
drift of the machine's speed affects all alike. The time of the gateway's process is counted, because the time
at the client is that of all parts.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from measuring.load import Connection  # noqa: E402
from measuring.machine import load, machine, write  # noqa: E402

from harness.models.standin import Standin  # noqa: E402
from harness.parts.system import System  # noqa: E402
from harness.processes.footprint import footprints  # noqa: E402

SETTINGS = {"STILE_POLICY": str(HERE / "policy.yml"), "STILE_LOG_LEVEL": "warning"}
MODEL = "standin"
TOKENS = 50
"""Of each answer."""
TURNS: list[dict[str, Any]] = [
    {"role": role, "content": "the sky is blue because air scatters short waves more than long ones " * 4}
    for role in ("user", "assistant", "user")
]
PROMPT = "\n".join(turn["content"] for turn in TURNS)
CHAT = "chat completions"
"""What the others are compared with."""
APIS: dict[str, tuple[str, dict[str, Any]]] = {
    CHAT: ("/v1/chat/completions", {"messages": TURNS}),
    "responses": ("/v1/responses", {"input": TURNS}),
    "text completions": ("/v1/completions", {"prompt": PROMPT}),
    "Ollama's chat": ("/api/chat", {"messages": TURNS}),
    "Ollama's generate": ("/api/generate", {"prompt": PROMPT}),
    "Anthropic's messages": ("/v1/messages", {"messages": TURNS, "max_tokens": TOKENS}),
}


async def measure(system: System, *, stream: bool, rounds: int, batch: int) -> Iterator[str]:
    """Ask each API in turn, ``batch`` times a round; return the table's lines."""
    gateway = psutil.Process(system.parts["gateway"].pid)
    taken: dict[str, list[float]] = {api: [] for api in APIS}
    for _ in range(rounds):
        for api, (path, fields) in APIS.items():
            connection = Connection(system.url + path)
            body = json.dumps({"model": MODEL, "stream": stream, **fields}).encode()
            before = gateway.cpu_times()
            for _ in range(batch):
                await connection.post(body)
            after = gateway.cpu_times()
            connection.close()
            spent = (after.user + after.system) - (before.user + before.system)
            taken[api].append(spent / batch * 1000)
    own = statistics.median(taken[CHAT])
    kind = "streamed" if stream else "whole"
    medians = {api: statistics.median(times) for api, times in taken.items()}
    return (
        f"| {api}, {kind} | {median:.2f} ms | {100 * (median / own - 1):+.0f} % |"
        for api, median in medians.items()
    )


async def run(rounds: int, batch: int) -> list[str]:
    """Start the system, measure, and return the report."""
    lines = [
        "# What each API costs the gateway",
        "",
        *machine(),
        load(),
        "",
        f"Answers of {TOKENS} tokens, {rounds} rounds of {batch} answers, in turn: the median of the",
        "processor time of the gateway's process for an answer, and the difference to chat completions.",
        "",
        "| API | an answer | difference |",
        "|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        model = await Standin(Path(folder), tokens=TOKENS, model=MODEL).start()
        system = await System(Path(folder), model, settings=SETTINGS).start()
        try:
            for stream in (False, True):  # the first answers of a process cost more
                await measure(system, stream=stream, rounds=1, batch=10)
            before = footprints(system)["gateway"].megabytes
            for stream in (False, True):
                lines += await measure(system, stream=stream, rounds=rounds, batch=batch)
            after = footprints(system)["gateway"].megabytes
        finally:
            await system.stop()
    grown = f"Memory of the gateway: {before:.0f} MB before all of it, {after:.0f} MB after."
    return [*lines, "", grown, ""]


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--batch", type=int, default=50)
    options = parser.parse_args()
    write("dialects", "\n".join(asyncio.run(run(options.rounds, options.batch))))


if __name__ == "__main__":
    main()
