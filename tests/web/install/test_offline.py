"""The page opens without Stile to read what is stored, and stores nothing but its own files."""

import pytest
from playwright.async_api import expect

from web.conftest import PLAIN_HTTP_HOST

pytestmark = pytest.mark.asyncio(loop_scope="session")

STORED = """async () => {
  const found = [];
  for (const name of await caches.keys()) {
    for (const request of await (await caches.open(name)).keys()) found.push(new URL(request.url).pathname);
  }
  return found;
}"""


async def test_stored_conversations_are_read_while_stile_is_away(open_chat_page, system, bus_with_gateway):
    """The gateway is gone: the page opens, with formulas and colours, and says that Stile is away."""
    gateway, *_ = bus_with_gateway
    writer = await open_chat_page(system.url)
    await writer.ask_and_hear("Read me later: \\(x^2\\)\n\n```python\ndef\n```")
    kept = await writer.page.evaluate("Object.entries(localStorage)")
    chat_page = await open_chat_page(gateway.url)
    await chat_page.page.evaluate(
        "(kept) => kept.forEach(([key, value]) => localStorage.setItem(key, value))", kept
    )
    await chat_page.is_installed()
    await gateway.stop()
    await chat_page.page.reload()
    await expect(chat_page.trouble).to_contain_text("Stile does not answer")
    await chat_page.conversations.get_by_role("button").first.click()
    await expect(chat_page.questions).to_contain_text("Read me later")
    await expect(chat_page.answer.locator("math")).to_be_visible()
    await expect(chat_page.answer.locator(".hljs-keyword")).to_have_text("def")


async def test_a_question_that_is_asked_offline_is_sent_later(open_chat_page, system):
    """The page was opened without a connection; with one, it sends what was asked."""
    chat_page = await open_chat_page(system.url)
    await chat_page.is_installed()
    await chat_page.page.context.set_offline(True)
    await chat_page.page.reload()
    await chat_page.ask("Are you there?")
    await expect(chat_page.status).to_contain_text("is sent as soon as Stile is ready")
    await chat_page.page.context.set_offline(False)
    await expect(chat_page.answer).to_have_text("echo: Are you there? word word")


async def test_no_answer_of_the_api_is_stored(open_chat_page, system):
    """The store has the page and its files; what Stile said is not in it."""
    chat_page = await open_chat_page(system.url)
    await chat_page.is_installed()
    await chat_page.page.reload()
    await chat_page.ask_and_hear("Do not keep me")
    stored = await chat_page.page.evaluate(STORED)
    assert "/" in stored
    assert len(stored) > 30
    assert all(path == "/" or path.startswith("/page/") for path in stored)
    assert not [path for path in stored if "limits" in path]


async def test_the_installed_page_asks_stile_for_the_document_alone(open_chat_page, system):
    """All else is in the browser, also without the service worker's store."""
    chat_page = await open_chat_page(system.url)
    await chat_page.is_installed()
    await chat_page.page.reload()
    await chat_page.ask_and_hear("Hello")
    loaded = await chat_page.page.evaluate(
        "performance.getEntriesByType('resource').filter(({ name }) => name.includes('/page/'))"
        ".filter(({ transferSize }) => transferSize > 0).map(({ name }) => name)"
    )
    assert [name for name in loaded if "/page/icon.svg" not in name and "/install/" not in name] == []


async def test_the_browser_finds_it_installable(open_chat_page, system):
    """Chromium has nothing against it."""
    chat_page = await open_chat_page(system.url)
    await chat_page.is_installed()
    session = await chat_page.page.context.new_cdp_session(chat_page.page)
    assert (await session.send("Page.getAppManifest"))["errors"] == []
    errors = (await session.send("Page.getInstallabilityErrors"))["installabilityErrors"]
    # Tests run in a private window, from which nothing can be installed.
    assert [error["errorId"] for error in errors if error["errorId"] != "in-incognito"] == []


async def test_over_plain_http_it_works_as_without(open_chat_page, system):
    """There browsers have no service workers: nothing is said, and asking works."""
    chat_page = await open_chat_page(f"http://{PLAIN_HTTP_HOST}:{system.port}")
    assert await chat_page.page.evaluate("navigator.serviceWorker === undefined")
    await chat_page.ask_and_hear("Hello")
    await expect(chat_page.answer).to_have_text("echo: Hello word word")
