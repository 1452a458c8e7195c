"""What the check of answers costs: a piece in the filter, and an answer through all parts.

    .venv/bin/python benchmarks/guard/answer_checks.py

The first table is of single checks, in one process with its scanners, while an answer of 20,000 characters
is written in pieces of 20. The second is of answers of 200 tokens through all parts, by a stand-in model of
fixed speed; the rounds with the check and without take turns.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx
import yaml

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from harness.models.standin import Standin
from harness.parts.system import System
from stile_contracts.messages import AnswerPart
from stile_filter.guard.policy import default_policy
from stile_filter.policies.guard import Guard

TEXT = (
    "The sky appears blue because the air scatters blue light from the sun more than it scatters red light. "
)
TARGETS = {"on": ["prompt", "answer"], "off": ["prompt"]}
TOKENS = 200
ROUNDS = 10


CHARS, PIECE = 20_000, 20
RULES: dict[str, tuple[str, ...]] = {
    "keywords": (),
    "keywords, Credentials (the default)": ("Credentials",),
    "the same and the trained checks": ("Credentials", "TrainedInjection", "TrainedHarm"),
}
"""The scanners of each row."""


def write_policy(folder: Path, scanners: tuple[str, ...], applies_to: list[str]) -> Path:
    """Write the shipped policy with these scanners alone; return the file."""
    policy = yaml.safe_load(default_policy().read_text())
    for words in policy["keywords"]:
        words["applies_to"] = applies_to
    policy["input_scanners"] = [
        {**rule, "applies_to": applies_to} for rule in policy["input_scanners"] if rule["type"] in scanners
    ]
    del policy["tests"]  # they need all scanners
    folder.mkdir()
    file = folder / "policy.yml"
    file.write_text(yaml.safe_dump(policy, allow_unicode=True))
    return file


async def pieces(policy: Path) -> tuple[list[float], list[float]]:
    """Return the milliseconds of each check while an answer is written, and of those that release something.

    With a scanner of sentences, the latter are those that scan one.
    """
    guard = Guard(policy)
    await guard.start()
    text, released, offset = TEXT * (CHARS // len(TEXT) + 1), 0, 0
    took, releasing = [], []
    try:
        for end in range(PIECE, CHARS, PIECE):
            offset = max(offset, released - 1024)
            part = AnswerPart(
                kind="content", text=text[offset:end], offset=offset, released=released - offset
            )
            began = time.perf_counter()
            verdict = await guard.answers.check(part)
            took.append((time.perf_counter() - began) * 1000)
            if offset + verdict.release > released:
                releasing.append(took[-1])
            released = offset + verdict.release
    finally:
        await guard.close()
    return took, releasing


async def answers(url: str) -> tuple[list[float], list[float]]:
    """Return the milliseconds to the first token and to the end of some answers."""
    first, whole = [], []
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        for _ in range(ROUNDS):
            began, seen = time.perf_counter(), None
            body = {"prompt": "Why is the sky blue?"}
            async with http.stream(
                "POST", "/chat", json=body, headers={"Accept": "text/event-stream"}
            ) as got:
                async for line in got.aiter_lines():
                    if line == "event: token" and seen is None:
                        seen = time.perf_counter() - began
            first.append((seen or 0) * 1000)
            whole.append((time.perf_counter() - began) * 1000)
    return first, whole


async def main() -> None:
    """Measure, and print two tables."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        print(
            "| rules | a piece, p50 ms | p99 | the last tenth | one that releases |\n|---|---|---|---|---|",
            flush=True,
        )
        for number, (name, scanners) in enumerate(RULES.items()):
            took, releasing = await pieces(write_policy(root / str(number), scanners, TARGETS["on"]))
            middle, slow = statistics.median(took), sorted(took)[-len(took) // 100]
            last = statistics.median(took[-len(took) // 10 :])
            whole = statistics.median(releasing)
            print(f"| {name} | {middle:.2f} | {slow:.2f} | {last:.2f} | {whole:.2f} |", flush=True)
        print("\n| the model | check | first token, ms | 200 tokens, ms |\n|---|---|---|---|")
        files = {name: write_policy(root / name, (), targets) for name, targets in TARGETS.items()}
        for pace in (0.0, 0.01):
            for name in ("off", "on", "off", "on"):
                part = root / f"{name}-{pace}-{time.monotonic_ns()}"
                part.mkdir()
                model = await Standin(part, tokens=TOKENS, token_seconds=pace).start()
                system = System(part, model, settings={"STILE_POLICY": str(files[name])})
                try:
                    await system.start()
                    await answers(system.url)
                    begun, whole = await answers(system.url)
                finally:
                    await system.stop()
                    model.stop()
                first, all_of_it = statistics.median(begun), statistics.median(whole)
                row = f"{pace * 1000:.0f} ms a token | {name} | {first:.1f} | {all_of_it:.0f}"
                print(f"| {row} |", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
