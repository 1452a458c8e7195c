"""A notification for a tab that is not looked at, if the user has asked for it."""

import re

import pytest
import pytest_asyncio
from playwright.async_api import expect

from harness.clients import browser as browsers
from harness.processes.wait import until
from web.conftest import ONE_LOOP, launched

pytestmark = pytest.mark.asyncio(loop_scope="session")

SHOWN = """async () => {
  const registration = await navigator.serviceWorker.getRegistration();
  return (await registration.getNotifications()).map(({ title, body }) => [title, body]);
}"""
HIDE = """() => {
  Object.defineProperty(document, "hidden", { value: true, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest_asyncio.fixture(**ONE_LOOP)
async def browser():
    """A whole browser: the headless shell shows no notifications."""
    async with launched(browsers.find(whole=True)) as browser:
        yield browser


async def switch_on(chat_page):
    await chat_page.page.get_by_role("button", name="Settings …").click()
    dialog = chat_page.page.get_by_role("dialog", name="Settings")
    await dialog.get_by_role("checkbox", name="Notify me when an answer is ready").check()
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_be_hidden()


async def ask_and_look_away(system, chat_page, question):
    await system.model.speed(tokens=20, token_seconds=0.1)
    await chat_page.ask(question)
    await chat_page.page.evaluate(HIDE)
    await chat_page.is_over()


async def test_a_hidden_tab_notifies(open_chat_page, system):
    """With the conversation's title, through the service worker, as phones want it."""
    chat_page = await open_chat_page(system.url, permissions=["notifications"])
    await chat_page.is_installed()
    await switch_on(chat_page)
    await ask_and_look_away(system, chat_page, "Tell me")

    async def shown():
        return await chat_page.page.evaluate(SHOWN) == [["The answer is ready", "Tell me"]]

    await until(shown, what="the notification is shown")


async def test_nothing_is_shown_out_of_the_box(open_chat_page, system):
    """Not even if the browser allows it; nor while the tab is looked at."""
    chat_page = await open_chat_page(system.url, permissions=["notifications"])
    await chat_page.is_installed()
    await ask_and_look_away(system, chat_page, "Be quiet")
    await expect(chat_page.page).to_have_title(re.compile("^● Be quiet"))
    assert await chat_page.page.evaluate(SHOWN) == []


async def test_a_browser_that_does_not_allow_it_is_said(open_chat_page, system):
    """When it is switched on; the title still tells."""
    chat_page = await open_chat_page(system.url)
    await switch_on(chat_page)
    await expect(chat_page.trouble).to_contain_text("does not let this page notify you")
