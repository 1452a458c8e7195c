"""One greedy client and three modest ones: how long does each wait?

The greedy client sends 28 requests at once. Each modest client sends four, one after the other; 40 in
all. A wait is the time from sending to the first token. Stile is measured with one worker and with
two. The same load also goes to the stand-in itself, which serves in order of arrival, as llama.cpp.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

from measuring.machine import load, machine, write  # noqa: E402

from harness.clients.http_client import HttpClient  # noqa: E402
from harness.models.standin import Standin  # noqa: E402
from harness.parts.consumer import Consumer  # noqa: E402
from harness.parts.system import System  # noqa: E402

POLICY = HERE / "policy.yml"
GREEDY, MODEST, EACH = 28, 3, 4
TOKENS = 10


@dataclass
class Arm:
    """One way to the model, and the waits of its clients, in seconds."""

    name: str
    greedy: list[float] = field(default_factory=list)
    modest: list[list[float]] = field(default_factory=lambda: [[] for _ in range(MODEST)])
    seconds: float = 0.0

    async def run(self, url: str, path: str) -> None:
        """Let all clients send their requests to ``url``."""
        began = time.perf_counter()
        async with AsyncExitStack() as stack:
            visitors = [await stack.enter_async_context(HttpClient(url, n)) for n in range(1 + MODEST)]
            async with asyncio.TaskGroup() as group:
                for number in range(GREEDY):
                    group.create_task(self._ask(visitors[0], path, f"greedy {number}", self.greedy))
                await asyncio.sleep(0.5)  # its requests are there when the others come
                for number, waits in enumerate(self.modest):
                    group.create_task(self._modest(visitors[1 + number], path, number, waits))
        self.seconds = time.perf_counter() - began

    async def _modest(self, visitor: HttpClient, path: str, number: int, waits: list[float]) -> None:
        for turn in range(EACH):
            await self._ask(visitor, path, f"modest {number} {turn}", waits)

    async def _ask(self, visitor: HttpClient, path: str, prompt: str, waits: list[float]) -> None:
        body = {"messages": [{"role": "user", "content": prompt}], "stream": True}
        began, waited, text = time.perf_counter(), None, ""
        async with visitor.http.stream("POST", path, json=body) as answer:
            answer.raise_for_status()
            async with aclosing(answer.aiter_lines()) as lines:
                async for line in lines:
                    if piece := _piece(line):
                        waited = waited or time.perf_counter() - began
                        text += piece
        if waited is None or not text.startswith(f"echo: {prompt} word"):
            raise RuntimeError(f"{prompt!r} was answered with {text!r}")
        waits.append(waited)


def _piece(line: str) -> str:
    if not line.startswith("data: {"):
        return ""
    chunk = json.loads(line.removeprefix("data: "))
    if "error" in chunk:
        raise RuntimeError(str(chunk["error"]))
    return "".join(choice["delta"].get("content") or "" for choice in chunk["choices"])


async def through_stile(folder: Path, workers: int, token_seconds: float) -> Arm:
    """Measure with this number of workers, each with its own stand-in."""
    arm = Arm(f"Stile, {workers} worker{'s' * (workers > 1)}")
    async with AsyncExitStack() as stack:
        models = []
        for number in range(workers):
            (own := folder / f"worker-{number}").mkdir(parents=True)
            models.append(await Standin(own, tokens=TOKENS, token_seconds=token_seconds).start())
        system = System(folder, models[0], settings={"STILE_POLICY": str(POLICY)})
        stack.push_async_callback(system.stop)
        await system.start()
        for number, model in enumerate(models[1:], 1):
            consumer = await Consumer(folder / f"worker-{number}", system.bus, model.url).start()
            stack.callback(model.stop)
            stack.callback(consumer.process.stop)
        await arm.run(system.url, "/v1/chat/completions")
        for model in models:
            record = await model.log()
            if record["most_open"] != 1:
                raise RuntimeError("a model was asked for two at once")
    return arm


async def directly(folder: Path, token_seconds: float) -> Arm:
    """Measure without Stile."""
    arm = Arm("the model alone, first come, first served")
    model = await Standin(folder, tokens=TOKENS, token_seconds=token_seconds).start()
    try:
        await arm.run(model.url, "/v1/chat/completions")
    finally:
        model.stop()
    return arm


def report(arms: list[Arm], answer: float, busy: str) -> str:
    """Make the tables."""
    lines = [
        "# One greedy client, three modest ones",
        "",
        *machine(),
        busy,
        "",
        f"{GREEDY} requests at once from the greedy client, {EACH} one after the other from each modest one;",
        f"a stand-in model whose answers take {answer:.1f} s. Seconds from sending to the first token.",
    ]
    for arm in arms:
        lines += ["", f"## {arm.name}: {arm.seconds:.1f} s in all", ""]
        lines += ["| client | requests | each wait | median | worst |", "|---|---|---|---|---|"]
        for number, waits in enumerate(arm.modest, 1):
            each = ", ".join(f"{wait:.2f}" for wait in waits)
            lines.append(f"| modest {number} | {len(waits)} | {each} | {_middle(waits)} | {max(waits):.2f} |")
        waits = arm.greedy
        each = f"{min(waits):.2f} to {max(waits):.2f}"
        lines.append(f"| greedy | {len(waits)} | {each} | {_middle(waits)} | {max(waits):.2f} |")
    return "\n".join(lines) + "\n"


def _middle(waits: list[float]) -> str:
    return f"{statistics.median(waits):.2f}"


async def main() -> None:
    """Measure the three ways and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--token-seconds", type=float, default=0.05, help=f"an answer has {TOKENS} tokens")
    speed = parser.parse_args().token_seconds
    busy = load()
    (scratch := HERE.parent / ".stile").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        folder = Path(name)
        arms = [await through_stile(folder / str(workers), workers, speed) for workers in (1, 2)]
        arms.append(await directly(folder, speed))
    write("fair", report(arms, TOKENS * speed, busy))


if __name__ == "__main__":
    asyncio.run(main())
