"""The settings: kept in the browser, and sent with each question."""

import pytest
import pytest_asyncio
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def settings(chat_page):
    """Return a function that opens the dialog."""

    async def open_dialog():
        await chat_page.page.get_by_role("button", name="Settings …").click()
        return chat_page.page.get_by_role("dialog", name="Settings")

    return open_dialog


async def save(dialog):
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_be_hidden()


async def test_nothing_is_sent_that_is_not_set(chat_page):
    """Out of the box Stile decides."""
    await chat_page.ask_and_hear("Hello")
    assert set(chat_page.asked[-1]) == {"prompt", "messages", "stream"}


async def test_what_is_set_is_sent_and_kept(chat_page, settings):
    """Model, length and temperature go with each question, after a reload too."""
    dialog = await settings()
    await dialog.get_by_role("combobox", name="Model").select_option("standin")
    await dialog.get_by_role("combobox", name="Answers").select_option("short")
    await dialog.get_by_role("spinbutton", name="Temperature").fill("0.3")
    await save(dialog)
    await chat_page.page.reload()
    await chat_page.ask_and_hear("Hello")
    asked = chat_page.asked[-1]
    assert (asked["model"], asked["max_tokens"], asked["temperature"]) == ("standin", 150, 0.3)
    await expect(chat_page.answer).to_contain_text("echo: Hello")


async def test_an_instruction_is_sent_before_all_else(chat_page, settings):
    """As a system message; it is no part of the conversation that is kept."""
    dialog = await settings()
    await dialog.get_by_role("textbox", name="Your instruction to the model").fill(" Answer in rhymes. ")
    await save(dialog)
    for question in ("One", "Two"):
        await chat_page.ask(question)
        await chat_page.is_over()
    first, *_ = chat_page.asked[-1]["messages"]
    assert first == {"role": "system", "content": "Answer in rhymes."}
    await expect(chat_page.questions).to_have_text(["One", "Two"])


async def test_cancel_changes_nothing(chat_page, settings):
    """What was entered is not kept, nor shown the next time."""
    dialog = await settings()
    await dialog.get_by_role("spinbutton", name="Temperature").fill("1.5")
    await dialog.get_by_role("button", name="Cancel").click()
    dialog = await settings()
    await expect(dialog.get_by_role("spinbutton", name="Temperature")).to_have_value("")
    await dialog.get_by_role("button", name="Cancel").click()
    await chat_page.ask_and_hear("Hello")
    assert "temperature" not in chat_page.asked[-1]


async def test_a_larger_text(chat_page, settings):
    """All of the page grows, and stays so."""
    size = "parseFloat(getComputedStyle(document.documentElement).fontSize)"
    before = await chat_page.page.evaluate(size)
    dialog = await settings()
    await dialog.get_by_role("combobox", name="Text size").select_option("Large")
    await save(dialog)
    assert await chat_page.page.evaluate(size) > before
    await chat_page.page.reload()
    assert await chat_page.page.evaluate(size) > before


async def test_enter_may_make_a_new_line(chat_page, settings):
    """Then Ctrl+Enter sends, and the hint says so."""
    dialog = await settings()
    await dialog.get_by_role("checkbox", name="Enter sends the question").uncheck()
    await save(dialog)
    await expect(chat_page.page.locator(".hint")).to_contain_text("Ctrl+Enter sends")
    await chat_page.box.press_sequentially("One")
    await chat_page.box.press("Enter")
    await chat_page.box.press_sequentially("Two")
    await expect(chat_page.exchanges).to_have_count(0)
    await chat_page.box.press("Control+Enter")
    await expect(chat_page.questions).to_have_text("One\nTwo")
    await chat_page.is_over()
