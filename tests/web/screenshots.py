"""Renders the page's screenshots with the real small model: ``make screenshots``.

    PYTHONPATH=tests python tests/web/screenshots.py docs/images

Look at each before it is committed.
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser, async_playwright, expect

from harness.clients import browser as browsers
from harness.models.llama import Llama
from harness.parts.system import System
from harness.processes.wait import until
from web.chat_page import ChatPage

DESK = {"viewport": {"width": 1120, "height": 720}}
PHONE = {"viewport": {"width": 390, "height": 780}, "device_scale_factor": 1.5, "is_mobile": True}
LONG = "Write a small Python function that reverses a list, and explain each line of it."
QUESTIONS = ("What is a stile?", "Name three birds of the meadow.", "Which day comes after Monday?")


expect.set_options(timeout=180_000)  # the real model may take its time on a busy machine


async def main(folder: Path) -> None:
    """Render all of them into ``folder``."""
    with tempfile.TemporaryDirectory() as scratch:
        model = await Llama(Path(scratch)).start()
        system = await System(Path(scratch), model).start()
        try:
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(
                    executable_path=browsers.find(),
                    args=["--no-sandbox"] if os.geteuid() == 0 else [],
                )
                await _render(browser, system, folder)
                await browser.close()
        finally:
            await system.stop()


async def _render(browser: Browser, system: System, folder: Path) -> None:
    async def open_chat_page(beside: ChatPage | None = None, **options: object) -> ChatPage:
        context = beside.page.context if beside else await browser.new_context(**options)
        chat_page = ChatPage(await context.new_page())
        await chat_page.page.goto(system.url)
        await expect(chat_page.page.locator("#model")).not_to_be_empty()
        return chat_page

    async def shoot(chat_page: ChatPage, name: str) -> None:
        await chat_page.page.screenshot(path=folder / f"page-{name}.png")

    first = await open_chat_page(**DESK)
    await shoot(first, "empty")
    for question in QUESTIONS:
        await first.ask_and_hear(question)
        await first.page.get_by_role("button", name="New conversation").click()
    await first.ask(LONG)
    await until(lambda: _length(first, 450), within=60, what="half of the answer")
    await shoot(first, "streaming")
    waiting = await open_chat_page(beside=first)
    await waiting.ask("How many litres are in a cubic metre?")
    await expect(waiting.status).not_to_have_text("Sending …")
    await shoot(waiting, "waiting")
    await first.is_over()
    await waiting.is_over()
    await waiting.ask_and_hear("And what the fuck is a hectolitre?")
    await shoot(waiting, "refused")

    phone = await open_chat_page(**PHONE)
    await phone.ask_and_hear("How do I boil an egg? Answer in three short steps.")
    await shoot(phone, "phone")
    dark = await open_chat_page(**DESK, color_scheme="dark")
    await dark.ask_and_hear(QUESTIONS[0])
    await dark.ask_and_hear("Show me a shell command that counts the lines of all Python files.")
    await shoot(dark, "dark")


async def _length(chat_page: ChatPage, at_least: int) -> bool:
    return len(await chat_page.answer.inner_text()) >= at_least


if __name__ == "__main__":
    images = Path(sys.argv[1])
    images.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(images))
