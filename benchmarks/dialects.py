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
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

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
    "responses, not stored": ("/v1/responses", {"input": TURNS, "store": False}),
    "text completions": ("/v1/completions", {"prompt": PROMPT}),
    "Ollama's chat": ("/api/chat", {"messages": TURNS}),
    "Ollama's generate": ("/api/generate", {"prompt": PROMPT}),
    "Anthropic's messages": ("/v1/messages", {"messages": TURNS, "max_tokens": TOKENS}),
}


async def measure(system: System, *, stream: bool, rounds: int, batch: int) -> AsyncIterator[str]:
    """Ask each API in turn, ``batch`` times a round; give the table's lines."""
    # Linux's number of the clock of a process's processor time (clock_getcpuclockid(3)): nanoseconds.
    clock = (~system.parts["gateway"].pid << 3) | 2
    taken: dict[str, list[float]] = {api: [] for api in APIS}
    for _ in range(rounds):
        for api, (path, fields) in APIS.items():
            connection = Connection(system.url + path)
            body = json.dumps({"model": MODEL, "stream": stream, **fields}).encode()
            await connection.post(body)  # the connection is made, and the last API's work is done
            before = time.clock_gettime(clock)
            for _ in range(batch):
                await connection.post(body)
            taken[api].append((time.clock_gettime(clock) - before) / batch * 1000)
            connection.close()
    kind = "streamed" if stream else "whole"
    for api, times in taken.items():
        ratios = [one / own for one, own in zip(times, taken[CHAT], strict=True)]
        more = 100 * (statistics.median(ratios) - 1)
        yield f"| {api}, {kind} | {statistics.median(times):.2f} ms | {more:+.0f} % |"


async def measure_memory(system: System, *, batch: int) -> AsyncIterator[str]:
    """Ask each API alone; give the table's lines."""
    own = None
    for api, (path, fields) in APIS.items():
        await asyncio.to_thread(system.parts["gateway"].stop)
        system.start_part("gateway")
        await system.ready()
        for stream in (False, True):
            connection = Connection(system.url + path)
            for _ in range(batch):
                await connection.post(json.dumps({"model": MODEL, "stream": stream, **fields}).encode())
            connection.close()
        held = footprints(system)["gateway"].megabytes
        own = own or held
        yield f"| {api} | {held:.1f} MB | {100 * (held / own - 1):+.0f} % |"


async def run(rounds: int, batch: int) -> list[str]:
    """Start the system, measure, and return the report."""
    lines = [
        "# What each API costs the gateway",
        "",
        *machine(),
        load(),
        "",
        f"Answers of {TOKENS} tokens, {rounds} rounds of {batch} answers, in turn: the median of the",
        "processor time of the gateway's process for an answer, and the median of the rounds' differences to",
        "chat completions.",
        "",
        "| API | an answer | difference |",
        "|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        model = await Standin(Path(folder), tokens=TOKENS, model=MODEL).start()
        system = await System(Path(folder), model, settings=SETTINGS).start()
        try:
            for stream in (False, True):  # the first answers of a process cost more
                _ = [line async for line in measure(system, stream=stream, rounds=1, batch=10)]
            for stream in (False, True):
                lines += [line async for line in measure(system, stream=stream, rounds=rounds, batch=batch)]
            lines += [
                "",
                f"Resident memory of a new gateway after {2 * batch} answers of one API, whole and streamed:",
                "",
                "| API | memory | difference |",
                "|---|---|---|",
            ]
            lines += [line async for line in measure_memory(system, batch=batch)]
        finally:
            await system.stop()
    return [*lines, ""]


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batch", type=int, default=20)
    options = parser.parse_args()
    write("dialects", "\n".join(asyncio.run(run(options.rounds, options.batch))))


if __name__ == "__main__":
    main()
