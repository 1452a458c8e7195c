"""What the check of answers costs: a piece in the filter, and an answer through all parts.

    .venv/bin/python benchmarks/guard/answer_checks.py

The answers are of 200 tokens, by a stand-in model of fixed speed; the rounds with the check and without take
turns. The scanners are off, as in ``bench.py``.
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
from harness.parts.policies import unscanned
from harness.parts.system import System
from stile_contracts.messages import AnswerPart
from stile_filter.guard.answers import AnswerChecker
from stile_filter.guard.decide import NoScanners
from stile_filter.guard.policy import Policy

TEXT = (
    "The sky appears blue because the air scatters blue light from the sun more than it scatters red light. "
)
TARGETS = {"on": ["prompt", "answer"], "off": ["prompt"]}
TOKENS = 200
ROUNDS = 10


def policy_of(root: Path, name: str) -> dict[str, str]:
    """Return the variable for the shipped policy without scanners, its keywords for answers or not."""
    folder = root / name
    folder.mkdir()
    settings = unscanned(folder)
    file = Path(settings["STILE_POLICY"])
    policy = yaml.safe_load(file.read_text())
    for words in policy["keywords"]:
        words["applies_to"] = TARGETS[name]
    file.write_text(yaml.safe_dump(policy, allow_unicode=True))
    return settings


async def pieces(policy: Path) -> list[float]:
    """Return the milliseconds of each check while an answer of 100,000 characters is written."""
    checker = AnswerChecker(Policy(policy), NoScanners())
    text, released, offset, took = TEXT * 1000, 0, 0, []
    for end in range(4, 100_000, 20):
        offset = max(offset, released - 1024)
        part = AnswerPart(kind="content", text=text[offset:end], offset=offset, released=released - offset)
        began = time.perf_counter()
        verdict = await checker.check(part)
        took.append((time.perf_counter() - began) * 1000)
        released = offset + verdict.release
    return took


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
    """Measure, and print one table."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        settings = {name: policy_of(root, name) for name in TARGETS}
        took = await pieces(Path(settings["on"]["STILE_POLICY"]))
        first, last = statistics.median(took[:500]), statistics.median(took[-500:])
        slow = sorted(took)[-len(took) // 100]
        print(f"a check of a piece: p50 {statistics.median(took):.2f} ms, p99 {slow:.2f} ms")
        print(f"the first 10,000 of 100,000 characters: {first:.2f} ms a piece; the last: {last:.2f} ms")
        for pace in (0.0, 0.01):
            for name in ("off", "on", "off", "on"):
                part = root / f"{name}-{pace}-{time.monotonic_ns()}"
                part.mkdir()
                model = await Standin(part, tokens=TOKENS, token_seconds=pace).start()
                system = await System(part, model, settings=settings[name]).start()
                await answers(system.url)
                begun, whole = await answers(system.url)
                await system.stop()
                print(
                    f"{pace * 1000:.0f} ms a token, check {name}: "
                    f"first token {statistics.median(begun):.1f} ms, "
                    f"{TOKENS} tokens {statistics.median(whole):.0f} ms"
                )


if __name__ == "__main__":
    asyncio.run(main())
