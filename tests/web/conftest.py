"""The page in a real Chromium, before the whole system and a stand-in model."""

import os
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright

from harness.clients import browser as browsers
from harness.models.standin import Standin
from harness.nats.bus import Bus
from harness.parts.gateway import Gateway
from harness.parts.policies import unscanned
from harness.parts.system import System
from stile_runtime.api_keys import ApiKey, ApiKeys, digest
from web.chat_page import ChatPage

ONE_LOOP = {"scope": "session", "loop_scope": "session"}
PLAIN_HTTP_HOST = "stile.test"
"""Another name of 127.0.0.1, for which the browser trusts plain HTTP as little as for any machine's."""
FOREIGN_HOST = "evil.example"
"""Another site's name that has come to lead here, as after DNS rebinding."""


@asynccontextmanager
async def launched(program):
    """Start a browser, or skip if the machine has none."""
    if program is None:
        pytest.skip("there is no chromium or google-chrome on PATH (Debian: apt-get install chromium)")
    async with async_playwright() as playwright:
        rules = ",".join(f"MAP {name} 127.0.0.1" for name in (PLAIN_HTTP_HOST, FOREIGN_HOST))
        arguments = [f"--host-resolver-rules={rules}"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")  # Chromium's sandbox refuses to run as root
        browser = await playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(**ONE_LOOP)
async def browser():
    """Chromium, or Chrome, as this machine has it."""
    async with launched(browsers.find()) as browser:
        yield browser


@pytest_asyncio.fixture(**ONE_LOOP)
async def shared_system(browser, tmp_path_factory):  # noqa: ARG001 -- no system without a browser
    """One system for all tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("page")
    # A file of the size that a request may have fits into a question.
    policy = unscanned(folder, prompt_chars=1_000_000, message_chars=1_000_000)
    settings = {"STILE_HOSTS": PLAIN_HTTP_HOST, **policy}
    system = await System(folder, await Standin(folder).start(), settings=settings).start()
    yield system
    await system.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def system(shared_system):
    """The shared system with a quick model, and nothing that is to go wrong."""
    await shared_system.model.speed(tokens=3, token_seconds=0)
    await shared_system.model.faults()
    return shared_system


@pytest_asyncio.fixture(loop_scope="session")
async def open_chat_page(browser):
    """Return a function that opens the page at ``url`` in a browser of its own, or beside ``beside``.

    Its other options are Playwright's for a context. A test fails where any of its pages met an error in its
    script, or something that its policy forbids.
    """
    chat_pages = []

    async def start(url, *, beside=None, **options):
        context = beside.page.context if beside else await browser.new_context(**options)
        chat_page = ChatPage(await context.new_page())
        chat_pages.append(chat_page)
        await chat_page.page.goto(url)
        return chat_page

    yield start
    for context in {chat_page.page.context for chat_page in chat_pages}:
        await context.close()
    assert [problem for chat_page in chat_pages for problem in chat_page.problems] == []


@pytest_asyncio.fixture(loop_scope="session")
async def chat_page(open_chat_page, system):
    """The page on a chat_page, open and empty."""
    return await open_chat_page(system.url)


@pytest_asyncio.fixture(loop_scope="session")
async def bus_with_gateway(tmp_path):
    """A gateway alone on a bus, and who speaks there in the filter's and the consumer's place."""
    bus = await Bus(tmp_path).start()
    gateway = await Gateway(bus, tmp_path).start()
    await gateway.connected()
    yield gateway, await bus.connect("filter"), await bus.connect("consumer")
    await gateway.stop()
    await bus.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def locked_system(browser, tmp_path):  # noqa: ARG001 -- no system without a browser
    """A system that answers two API keys, one of them twenty times a minute."""
    keys = tmp_path / "keys.json"
    known = (
        ApiKey(name="ada", sha256=digest("sk-right")),
        ApiKey(name="bob", sha256=digest("sk-few"), requests_per_minute=20),
    )
    keys.write_text(ApiKeys(keys=known).model_dump_json())
    model = await Standin(tmp_path, tokens=3).start()
    system = await System(
        tmp_path, model, settings={"STILE_API_KEYS": str(keys), **unscanned(tmp_path)}
    ).start()
    yield system
    await system.stop()
