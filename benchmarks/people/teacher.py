"""How long a teacher takes for five tasks in the console, as docs/console.md describes them.

No person is timed. A script does each step in a real browser, and the time of a person is predicted by the
keystroke-level model (Card, Moran and Newell, 1980, https://doi.org/10.1145/358886.358895): 0.28 s for a
key, 1.1 s to point at something, 0.1 s for a click, 0.4 s between keyboard and mouse, 1.35 s to think before
each step. Reading the section of the page is added, at 200 words a minute. What Stile itself takes is
measured.
"""

import asyncio
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Locator, async_playwright, expect

HERE = Path(__file__).parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

from measuring.machine import load, machine, write  # noqa: E402

from harness.clients import browser as browsers  # noqa: E402
from harness.models.standin import Standin  # noqa: E402
from harness.parts.console import Console  # noqa: E402
from harness.parts.policies import unscanned  # noqa: E402
from harness.parts.system import System  # noqa: E402
from harness.processes import plain_http  # noqa: E402
from harness.processes.wait import until  # noqa: E402
from web.console.console_page import ConsolePage  # noqa: E402

KEY, POINT, CLICK, HANDS, THINK = 0.28, 1.1, 0.1, 0.4, 1.35
WORDS_A_MINUTE = 200
DOCS = HERE.parent / "docs" / "console.md"
WORD = "- {id: football, category: distraction, phrases: [football]}"


class Person:
    """Does what the page says, and counts how long a person would take."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.steps = 0
        self.stile = 0.0
        """Seconds that this person waited for Stile."""

    def read(self, heading: str) -> None:
        """Read a section of the page, pictures left out."""
        section = DOCS.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
        words = re.sub(r"!\[.*?\]\(.*?\)", "", section).split()
        self.seconds += len(words) / WORDS_A_MINUTE * 60

    async def click(self, target: Locator) -> None:
        """Point at something and click it."""
        self._step(POINT + CLICK)
        await target.click()

    async def type(self, target: Locator, text: str) -> None:
        """Click into a field and type."""
        self._step(POINT + CLICK + HANDS + KEY * len(text))
        await target.fill(text)

    async def choose(self, target: Locator, option: str) -> None:
        """Choose from a list: two clicks."""
        self._step(2 * (POINT + CLICK))
        await target.select_option(option)

    def look(self) -> None:
        """Look at what is shown."""
        self._step(0)

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Wait for Stile."""
        began = time.perf_counter()
        yield
        self.stile += time.perf_counter() - began

    def _step(self, seconds: float) -> None:
        self.steps += 1
        self.seconds += THINK + seconds


async def hand_out(person: Person, page: ConsolePage) -> list[str]:
    """Hand out thirty keys; return them."""
    person.read("Hand out thirty keys")
    await person.click(page.page.get_by_role("link", name="People", exact=True))
    async with person.waiting():
        await expect(page.page.get_by_label("Address of the chat page")).not_to_have_value("")
    await person.type(page.page.get_by_label("Begins with"), "pupil")
    await person.click(page.button("Fill in"))
    person.look()  # at the address
    await person.click(page.button("Make the keys"))
    tickets = page.page.locator(".ticket")
    async with person.waiting():
        await expect(tickets).to_have_count(30)
    await page.page.evaluate("window.print = () => {}")
    await person.click(page.button("Print"))
    return await tickets.locator("code").all_inner_texts()


async def block(person: Person, page: ConsolePage) -> None:
    """Block a word, and see that it is blocked."""
    person.read("Block a word, and see that it is blocked")
    await person.click(page.page.get_by_role("link", name="Policy", exact=True))
    editor = page.page.get_by_role("textbox", name="The policy (YAML)")
    async with person.waiting():
        await expect(editor).to_have_value(re.compile("keywords:"))
    before = await editor.input_value()
    await editor.fill(before.replace("keywords:\n", f"keywords:\n{WORD}\n", 1))
    person.seconds += THINK + POINT + CLICK + HANDS + KEY * len(f"\n{WORD}")
    person.steps += 1
    await person.type(page.page.get_by_label("What somebody might ask"), "Who won the football?")
    await person.click(page.button("Try it with this policy"))
    async with person.waiting():
        await expect(page.table("Each rule").get_by_role("row").nth(1)).to_contain_text("refuses it")
    person.look()
    await person.click(page.button("Apply"))
    async with person.waiting():
        await expect(page.page.get_by_text("Applied: the filter judges by this policy now.")).to_be_visible()


async def see(person: Person, page: ConsolePage) -> None:
    """See who was refused today, and why."""
    person.read("See who was refused today, and why")
    await person.click(page.page.get_by_role("link", name="What happened", exact=True))
    await person.choose(page.page.get_by_label("Outcome"), "refused")
    row = page.table("What happened").get_by_role("row").nth(1)
    async with person.waiting():
        await expect(row).to_contain_text("football")
    person.look()


async def stop(person: Person, page: ConsolePage, name: str) -> None:
    """Stop a runaway."""
    person.read("Stop a runaway")
    await person.click(page.page.get_by_role("link", name="Now", exact=True))
    async with person.waiting():
        await expect(page.button(f"Cancel the request of {name}")).to_be_visible()
    person.look()
    await person.click(page.button(f"Cancel the request of {name}"))
    await person.click(page.button("Cancel the request"))
    async with person.waiting():
        await expect(page.said).to_contain_text("is cancelled")


async def limit(person: Person, page: ConsolePage, name: str) -> None:
    """Change one pupil's limit."""
    person.read("Change one pupil's limit")
    await person.click(page.page.get_by_role("link", name="People", exact=True))
    async with person.waiting():
        await expect(page.button(f"Change the limits of {name}")).to_be_visible()
    person.look()
    await person.click(page.button(f"Change the limits of {name}"))
    await person.type(page.page.get_by_label("A minute", exact=True), "6")
    await person.click(page.button("Save"))
    row = page.table("Clients").get_by_role("row", name=re.compile(f"^{name}"))
    async with person.waiting():
        await expect(row).to_contain_text("6 a minute")


async def tasks(page: ConsolePage, system: System) -> dict[str, Person]:
    """Do all five."""
    done: dict[str, Person] = {}
    keys = await hand_out(done.setdefault("hand out thirty keys", Person()), page)
    await page.button("Close the sheet").click()
    async with plain_http.client(timeout=300, headers={"Authorization": f"Bearer {keys[0]}"}) as pupil:

        async def ask(prompt: str) -> httpx.Response:
            return await pupil.post(f"{system.url}/chat", json={"prompt": prompt})

        async def is_known() -> bool:
            return (await ask("Hello")).status_code == 200

        await until(is_known, within=30, what="the key is known")
        await block(done.setdefault("block a word and see that it is blocked", Person()), page)
        if not (await ask("Is football on?")).json()["refused"]:
            raise RuntimeError("the word is not blocked")
        await see(done.setdefault("see who was refused today and why", Person()), page)
        await system.model.speed(tokens=10_000, token_seconds=0.05)
        runaway = asyncio.create_task(ask("Tell everything"))
        await stop(done.setdefault("stop a runaway", Person()), page, "pupil-01")
        await runaway
    await limit(done.setdefault("change one pupil's limit", Person()), page, "pupil-01")
    return done


async def main() -> None:
    """Do the tasks, and write the table."""
    heading = ["# Five tasks of a teacher", "", *machine(), load(), ""]
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        home.mkdir()
        settings = {"STILE_HOME": str(home), **unscanned(home)}
        system = await System(home, await Standin(home).start(), settings=settings).start()
        console = Console(
            system.bus,
            home,
            home / "unscanned.yml",
            STILE_GATEWAY_URL=system.url,
            STILE_PUBLIC_URL=system.url,
        )
        options: dict[str, Any] = {"args": ["--no-sandbox"] if os.geteuid() == 0 else []}
        try:
            await console.start()
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=browsers.find(), **options)
                page = ConsolePage(await browser.new_page())
                await page.page.goto(console.link)
                done = await tasks(page, system)
                await browser.close()
        finally:
            await console.stop()
            await system.stop()
    table = [
        "Predicted by the keystroke-level model, reading included; no person was timed. Stile's time is",
        "measured.",
        "",
        "| task | steps | person, s | Stile, s | together, s |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {one.steps} | {one.seconds:.0f} | {one.stile:.1f} | {one.seconds + one.stile:.0f} |"
            for name, one in done.items()
        ),
    ]
    write("teacher", "\n".join([*heading, *table]) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
