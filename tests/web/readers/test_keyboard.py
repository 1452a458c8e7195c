"""The main tasks with the keyboard alone, from wherever the focus is."""

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

FOCUSED = """() => {
  const { activeElement: element } = document;
  const name = element.getAttribute("aria-label") ?? element.labels?.[0]?.textContent ?? element.textContent;
  return name.trim();
}"""
MOST_STEPS = 60


async def reach(chat_page, name):
    """Press Tab until the control of this name has the focus; what has it must be seen."""
    met = []
    for _ in range(MOST_STEPS):
        await chat_page.page.keyboard.press("Tab")
        met.append(await chat_page.page.evaluate(FOCUSED))
        if met[-1].startswith(name):
            outline = "getComputedStyle(document.activeElement).outlineStyle"
            assert await chat_page.page.evaluate(outline) != "none", (
                f"{name} does not show that it has the focus"
            )
            return
    raise AssertionError(f"{name} is not reached: {met}")


async def test_settings(chat_page):
    """They are opened, changed and saved; the focus comes back."""
    keyboard = chat_page.page.keyboard
    await reach(chat_page, "Settings …")
    await keyboard.press("Enter")
    dialog = chat_page.page.get_by_role("dialog", name="Settings")
    await expect(dialog).to_be_visible()
    await reach(chat_page, "Answers")
    await keyboard.press("End")
    await reach(chat_page, "Temperature")
    await keyboard.type("0.5")
    await keyboard.press("Enter")
    await expect(dialog).to_be_hidden()
    await expect(chat_page.page.get_by_role("button", name="Settings …")).to_be_focused()
    await reach(chat_page, "Your question")
    await keyboard.type("Hello")
    await keyboard.press("Enter")
    await chat_page.is_over()
    assert (chat_page.asked[-1]["max_tokens"], chat_page.asked[-1]["temperature"]) == (150, 0.5)


async def test_conversations(chat_page):
    """One is found, opened, renamed and deleted."""
    keyboard = chat_page.page.keyboard
    for question in ("Apples", "Pears"):
        await reach(chat_page, "New conversation")
        await keyboard.press("Enter")
        await keyboard.type(question)  # the box has the focus
        await keyboard.press("Enter")
        await chat_page.is_over()
    await reach(chat_page, "Search the conversations")
    await keyboard.type("app")
    await expect(chat_page.conversations).to_have_count(1)
    await reach(chat_page, "Apples")
    await keyboard.press("Enter")
    await expect(chat_page.questions).to_have_text("Apples")
    await reach(chat_page, "Rename the conversation")
    await keyboard.press("Enter")
    await keyboard.press("ControlOrMeta+A")
    await keyboard.type("Fruit")
    await keyboard.press("Enter")
    await expect(chat_page.page.get_by_role("heading", level=1)).to_have_text("Fruit")
    await reach(chat_page, "Delete “Fruit”")
    await keyboard.press("Enter")
    await reach(chat_page, "Delete")
    await keyboard.press("Enter")
    await expect(chat_page.conversations).to_have_count(0)
    await reach(chat_page, "Search the conversations")
    await keyboard.press("ControlOrMeta+A")
    await keyboard.press("Delete")
    await expect(chat_page.conversations).to_have_count(1)


async def test_the_menu_of_a_conversation_and_an_answer(chat_page):
    """The menu is opened and left; an answer is made again."""
    keyboard = chat_page.page.keyboard
    await chat_page.ask_and_hear("Hello")
    menu = chat_page.page.locator("#actions")
    await reach(chat_page, await chat_page.page.locator("#more").get_attribute("aria-label"))
    await keyboard.press("Enter")
    await expect(menu).to_be_visible()
    await keyboard.press("Escape")
    await expect(menu).to_be_hidden()
    await expect(chat_page.exchanges).to_have_count(1)
    await reach(chat_page, "Answer again")
    await keyboard.press("Enter")
    await chat_page.is_over()
    await expect(chat_page.page.get_by_role("button", name="Other answer")).to_be_visible()
