"""Tokens that one gateway relays in a second, with the check of answers and without, and beside slow readers.

    .venv/bin/python benchmarks/generation/relay.py [--rounds 3] [--workers 2] [--consumer PATH]

The model writes an answer of 2,000 tokens at once (``measuring/model.py``), so the worker, the bus, the
filter and the gateway are the limit. As many clients as there are workers, and one more, read streams of
OpenAI's API as fast as they come. A slow reader opens a stream and reads nothing.
"""

import argparse
import asyncio
import itertools
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import yaml

HERE = Path(__file__).parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

from measuring.machine import load, machine  # noqa: E402 -- after the path of the tests' harness
from measuring.model import Model  # noqa: E402
from measuring.processor import processor_seconds  # noqa: E402

from harness.parts.system import System  # noqa: E402
from harness.processes.ports import free_port  # noqa: E402
from harness.processes.process import BIN, Process  # noqa: E402
from stile.keys import signing as signing_keys  # noqa: E402

TOKENS = 2000
SLOW_READERS = 4
CHECKS = {"no rule for answers": ["prompt"], "answers are checked": ["prompt", "answer"]}
REQUEST = {"messages": [{"role": "user", "content": "Why is the sky blue?"}], "stream": True}


def write_policy(folder: Path, applies_to: list[str]) -> Path:
    """Write the benchmarks' policy with keywords for these texts; return the file."""
    policy = yaml.safe_load((HERE / "policy.yml").read_text())
    for words in policy["keywords"]:
        words["applies_to"] = applies_to
        words["files"] = [str((HERE / file).resolve()) for file in words["files"]]
    file = folder / "policy.yml"
    file.write_text(yaml.safe_dump(policy))
    return file


async def stream(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for a stream; nothing of it is read yet, and little of it is kept on the way."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=2**12)
    body = json.dumps(REQUEST)
    writer.write(
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    return reader, writer


async def read(url: str) -> int:
    """Read one stream to its end; return how many tokens came."""
    reader, writer = await stream(url)
    answer = await reader.read()
    writer.close()
    if b" 200 " not in answer[:16] or b"[DONE]" not in answer[-200:]:
        raise RuntimeError(answer[:300].decode(errors="replace"))
    return answer.count(b" word")


async def relay(url: str, clients: int, seconds: float) -> tuple[int, float]:
    """Let ``clients`` read streams, each one after the other; return the tokens, and the seconds it took."""
    begin, tokens = time.perf_counter(), 0

    async def client() -> None:
        nonlocal tokens
        while time.perf_counter() < begin + seconds:
            tokens += await read(url)

    await asyncio.gather(*(client() for _ in range(clients)))
    return tokens, time.perf_counter() - begin


async def start(
    folder: Path, applies_to: list[str], workers: int, program: Path
) -> tuple[System, list[Process]]:
    """Start the parts, with so many workers; return the system and the workers beside its own."""
    model = await Model(folder, tokens=TOKENS).start()
    settings = {"STILE_POLICY": str(write_policy(folder, applies_to)), "STILE_LOG_LEVEL": "warning"}
    system = await System(folder, model, settings=settings).start()
    others = []
    for number in range(workers):
        (own := folder / str(number)).mkdir()
        environment = {
            **system.bus.environment("consumer"),
            "STILE_APPROVAL_KEYS": str(signing_keys.public_file(system.bus.seeds)),
            "STILE_LLAMA_URL": (await Model(own, tokens=TOKENS).start()).url,
            "STILE_CONSUMER_PORT": str(free_port()),
            "STILE_LOG_LEVEL": "warn",
        }
        others.append(Process(program, log=own / "consumer.log", env=environment))
    system.parts["consumer"].stop()  # that of the environment: the workers are all of one build
    system.parts.pop("consumer")
    await asyncio.sleep(3)
    await system.ready()
    return system, others


async def measure(folder: Path, name: str, options: argparse.Namespace) -> list[str]:
    """Measure the relay with one policy; return its rows."""
    system, workers = await start(folder, CHECKS[name], options.workers, options.consumer)
    rates: dict[bool, list[float]] = {False: [], True: []}
    processor: dict[bool, list[float]] = {False: [], True: []}
    try:
        await relay(system.url, options.workers + 1, 1)  # warm
        for _, slow in itertools.product(range(options.rounds), (False, True)):
            held = [await stream(system.url) for _ in range(SLOW_READERS if slow else 0)]
            before = processor_seconds(system)["gateway"]
            tokens, took = await relay(system.url, options.workers + 1, options.seconds)
            used = processor_seconds(system)["gateway"] - before
            rates[slow].append(tokens / took)
            processor[slow].append(used / tokens * 1e6)
            for _, writer in held:
                writer.close()
    finally:
        for worker in workers:
            worker.stop()
        await system.stop()
    return [
        f"| {name}{', four slow readers' if slow else ''} | {statistics.median(rates[slow]):,.0f}/s "
        f"| {max(rates[slow]):,.0f}/s | {statistics.median(processor[slow]):.1f} µs |"
        for slow in (False, True)
    ]


async def main() -> None:
    """Measure and print, as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of a round")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--consumer", type=Path, default=BIN / "stile-consumer", help="the build to measure")
    options = parser.parse_args()
    (scratch := HERE.parent / ".stile").mkdir(exist_ok=True)
    lines = [*machine(), load(), ""]
    lines += ["| | tokens, median | best round | the gateway's processor, a token |", "|---|---|---|---|"]
    for name in CHECKS:
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            lines += await measure(Path(folder), name, options)
    print("\n".join(lines))


if __name__ == "__main__":
    asyncio.run(main())
