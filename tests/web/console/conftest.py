"""The console in a real Chromium, before the whole system and a stand-in model."""

import pytest_asyncio

from harness.models.standin import Standin
from harness.parts.console import Console
from harness.parts.policies import unscanned
from harness.parts.system import System
from web.conftest import ONE_LOOP
from web.console.console_page import ConsolePage


@pytest_asyncio.fixture(**ONE_LOOP)
async def console_system(browser, tmp_path_factory):  # noqa: ARG001 -- no system without a browser
    """One system for all tests of the console; each makes what it needs under names of its own."""
    folder = tmp_path_factory.mktemp("console")
    home = folder / "home"
    home.mkdir()
    settings = {"STILE_HOME": str(home), **unscanned(home)}
    system = await System(folder, await Standin(folder).start(), settings=settings).start()
    yield system
    await system.stop()


@pytest_asyncio.fixture(**ONE_LOOP)
async def console(console_system):
    """The console of ``console_system``."""
    home = console_system.folder / "home"
    url = console_system.url
    console = Console(
        console_system.bus, home, home / "unscanned.yml", STILE_GATEWAY_URL=url, STILE_PUBLIC_URL=url
    )
    yield await console.start()
    await console.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def open_console(browser, console):
    """Return a function that opens the console by a new link; its options are Playwright's for a context.

    A test fails if any of its pages met an error in its script, or something that its policy forbids.
    """
    pages = []

    async def start(link=None, **options):
        context = await browser.new_context(**options)
        page = ConsolePage(await context.new_page())
        pages.append(page)
        await page.page.goto(link or console.link)
        return page

    yield start
    for page in pages:
        await page.page.context.close()
    assert [problem for page in pages for problem in page.problems] == []
