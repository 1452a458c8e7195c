"""What the chat page costs a browser: bytes, and the time until it shows something.

Chromium opens the page of a whole system with a stand-in model, in windows that share nothing (`first`),
and again in the same window (`again`, then the browser and the service worker have the files).
"""

import asyncio
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, async_playwright, expect

HERE = Path(__file__).parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

from measuring.machine import load, machine, write  # noqa: E402

from harness.clients import browser as browsers  # noqa: E402
from harness.models.standin import Standin  # noqa: E402
from harness.parts.policies import unscanned  # noqa: E402
from harness.parts.system import System  # noqa: E402
from web.chat_page import ChatPage  # noqa: E402

ROUNDS = 15
ANSWERS = {
    "plain words": ("Words, ", "and more."),
    "a formula": ("So ", r"\(x^2\)"),
    "code": ("```py\n", "def\n```"),
}
MEASURE = """() => {
  const [opening] = performance.getEntriesByType("navigation");
  const files = performance.getEntriesByType("resource");
  const painted = performance.getEntriesByName("first-contentful-paint")[0];
  return {
    paint: painted.startTime,
    bytes: [opening, ...files].reduce((sum, { transferSize }) => sum + transferSize, 0),
    files: [opening, ...files].filter(({ transferSize }) => transferSize > 0).length,
  };
}"""
Seen = dict[str, float]


async def opened(context: BrowserContext, url: str) -> tuple[ChatPage, Seen]:
    """Open the page in a new tab and return what it has cost until all is shown."""
    chat_page = ChatPage(await context.new_page())
    await chat_page.page.goto(url)
    await expect(chat_page.page.locator("#model")).not_to_be_empty()
    return chat_page, await chat_page.page.evaluate(MEASURE)


async def openings(browser: Browser, url: str) -> tuple[list[Seen], list[Seen]]:
    """Open the page for the first time and again, in many windows."""
    first, again = [], []
    for _ in range(ROUNDS):
        context = await browser.new_context()
        chat_page, seen = await opened(context, url)
        first.append(seen)
        await chat_page.is_installed()
        await chat_page.page.close()
        _, seen = await opened(context, url)
        again.append(seen)
        await context.close()
    return first, again


async def answers(browser: Browser, system: System, url: str) -> dict[str, float]:
    """Return how many bytes each kind of answer adds, in a new window without a service worker."""
    costs = {}
    for name, pieces in ANSWERS.items():
        await system.model.speed(tokens=len(pieces), token_seconds=0)
        await system.model.says(*pieces)
        context = await browser.new_context(service_workers="block")
        chat_page, before = await opened(context, url)
        await chat_page.ask_and_hear("Say it")
        await chat_page.page.wait_for_load_state("networkidle")
        after = await chat_page.page.evaluate(MEASURE)
        costs[name] = after["bytes"] - before["bytes"]
        await context.close()
    return costs


def row(name: str, seen: list[Seen]) -> str:
    """Make a row of the table."""
    paints = sorted(entry["paint"] for entry in seen)
    kilobytes = statistics.median(entry["bytes"] for entry in seen) / 1000
    files = statistics.median(entry["files"] for entry in seen)
    slow = paints[int(len(paints) * 0.9)]
    return (
        f"| {name} | {statistics.median(paints):.0f} ms | {slow:.0f} ms | {kilobytes:.1f} kB | {files:.0f} |"
    )


async def main() -> None:
    """Measure, and write the table."""
    heading = ["# The first paint of the chat page", "", *machine(), load(), ""]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        system = await System(folder, await Standin(folder).start(), settings=unscanned(folder)).start()
        options: dict[str, Any] = {"args": ["--no-sandbox"] if os.geteuid() == 0 else []}
        try:
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=browsers.find(), **options)
                first, again = await openings(browser, system.url)
                costs = await answers(browser, system, system.url)
                version = browser.version
                await browser.close()
        finally:
            await system.stop()
    table = [
        f"Chromium {version}, {ROUNDS} windows. Bytes are compressed, with their headers.",
        "",
        "| | first paint | one in ten | loaded | files |",
        "|---|---|---|---|---|",
        row("first", first),
        row("again", again),
        "",
        "| the first answer with | loads, kB |",
        "|---|---|",
        *(f"| {name} | {cost / 1000:.1f} |" for name, cost in costs.items()),
    ]
    write("first-paint", "\n".join([*heading, *table]) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
