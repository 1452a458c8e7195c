"""Renders the console's screenshots before a stand-in model: ``make screenshots``.

    PYTHONPATH=tests python tests/web/console/screenshots.py docs/images

Look at each before it is committed.
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from playwright.async_api import async_playwright, expect

from harness.clients import browser as browsers
from harness.models.standin import Standin
from harness.parts.console import Console
from harness.parts.policies import unscanned
from harness.parts.system import System
from harness.processes import plain_http
from harness.processes.wait import until
from web.console.console_page import ConsolePage

DESK = {"viewport": {"width": 1120, "height": 720}}
PHONE = {"viewport": {"width": 390, "height": 780}, "device_scale_factor": 1.5, "is_mobile": True}
NAMES = ("ada", "ben", "cleo", "dan")


async def main(folder: Path) -> None:
    """Render all of them into ``folder``."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        home.mkdir()
        model = await Standin(Path(scratch)).start()
        settings = {"STILE_HOME": str(home), **unscanned(home)}
        system = await System(Path(scratch), model, settings=settings).start()
        console = await Console(
            system.bus,
            home,
            home / "unscanned.yml",
            STILE_GATEWAY_URL=system.url,
            STILE_PUBLIC_URL="http://school.lan:8000",
        ).start()
        try:
            await _render(system, console, folder)
        finally:
            await console.stop()
            await system.stop()


async def _render(system: System, console: Console, folder: Path) -> None:
    owner = await console.owner()
    sent = {"names": NAMES, "limits": {"requests_per_minute": 30}, "address": "http://school.lan:8000"}
    tickets = (await owner.post("keys", json=sent)).json()
    await until(lambda: _is_known(system, tickets[0]["key"]), within=30, what="the keys are known")
    for number, ticket in enumerate(tickets * 2):
        await _chat(
            system, ticket["key"], "What the fuck is a stile?" if number % 3 == 2 else "What is a stile?"
        )
    await system.model.speed(tokens=500, token_seconds=0.1)
    asking = [asyncio.create_task(_chat(system, ticket["key"], "Tell me more")) for ticket in tickets]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=browsers.find(), args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        page = ConsolePage(await (await browser.new_context(**DESK)).new_page())
        await page.page.goto(console.link)
        await expect(page.page.get_by_role("heading", name="Waiting: 3")).to_be_visible()
        await page.page.screenshot(path=folder / "console-now.png")
        await page.open("What happened")
        await expect(page.table("What happened")).to_be_visible()
        await page.page.screenshot(path=folder / "console-history.png")
        await page.open("Policy")
        await page.page.get_by_label("What somebody might ask").fill("What the f.u.c.k is a stile?")
        await page.button("Try it with this policy").click()
        await expect(page.table("Each rule")).to_be_visible()
        await page.page.get_by_role("heading", name="Try a text").scroll_into_view_if_needed()
        await page.page.screenshot(path=folder / "console-policy.png", full_page=True)
        await page.open("Health")
        await expect(page.table("The parts")).to_be_visible()
        await page.page.screenshot(path=folder / "console-health.png")
        dark = ConsolePage(await (await browser.new_context(**PHONE, color_scheme="dark")).new_page())
        await dark.page.goto(console.link)
        await dark.open("People")
        await expect(dark.page.get_by_label("Address of the chat page")).not_to_have_value("")
        await dark.page.get_by_label("Names, one on each line").fill("ella\nfinn")
        await dark.button("Make the keys").click()
        await expect(dark.page.locator(".ticket")).to_have_count(2)
        await dark.page.screenshot(path=folder / "console-people.png")
        await browser.close()
    await system.model.speed(tokens=3, token_seconds=0)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    await owner.aclose()


async def _chat(system: System, key: str, prompt: str) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    async with plain_http.client(timeout=300, headers=headers) as client:
        return (await client.post(f"{system.url}/chat", json={"prompt": prompt})).status_code


async def _is_known(system: System, key: str) -> bool:
    return await _chat(system, key, "What is a stile?") == 200


if __name__ == "__main__":
    images = Path(sys.argv[1])
    images.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(images))
