"""Input methods, as for Japanese: their keys are not the page's, in each browser's order of events."""

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

ORDERS = {
    # What one key makes while a word is chosen: (event, whether the composition goes on).
    "chromium": [("keydown", True), ("compositionend", False)],
    "firefox": [("keydown", True), ("compositionend", False), ("keyup", False)],
    "safari": [("compositionend", False), ("keydown", False)],
}
PRESS = """
(element, { key, order }) => {
  element.focus();
  element.dispatchEvent(new CompositionEvent("compositionstart", { bubbles: true }));
  for (const [name, isComposing] of order) {
    const event = name.startsWith("key")
      // 229 is the code of a key that the input method takes; Safari says it by nothing else.
      ? new KeyboardEvent(name, { key, keyCode: 229, isComposing, bubbles: true, cancelable: true })
      : new CompositionEvent(name, { bubbles: true });
    element.dispatchEvent(event);
  }
}
"""

each_order = pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)


@each_order
async def test_enter_that_chooses_a_word_sends_nothing(chat_page, order):
    """The next Enter does."""
    await chat_page.box.fill("にほん")
    await chat_page.box.evaluate(PRESS, {"key": "Enter", "order": order})
    await expect(chat_page.exchanges).to_have_count(0)
    await expect(chat_page.box).to_have_value("にほん")
    await chat_page.box.press("Enter")
    await expect(chat_page.questions).to_have_text("にほん")
    await chat_page.is_over()


@each_order
async def test_escape_that_leaves_a_word_stops_nothing(system, chat_page, order):
    """The answer goes on, and the editor stays open with what is in it."""
    await chat_page.ask_and_hear("First")
    await chat_page.page.get_by_role("button", name="Edit").click()
    editor = chat_page.page.get_by_role("textbox", name="Edit the question")
    await editor.fill("にほん")
    await editor.evaluate(PRESS, {"key": "Escape", "order": order})
    await expect(editor).to_have_value("にほん")
    await editor.press("Escape")
    await expect(editor).to_have_count(0)
    await system.model.speed(tokens=40, token_seconds=0.05)
    await chat_page.ask("Second")
    await chat_page.is_writing()
    await chat_page.box.fill("にほん")
    await chat_page.box.evaluate(PRESS, {"key": "Escape", "order": order})
    await chat_page.is_over()
    await expect(chat_page.notice).to_be_hidden()
    await expect(chat_page.statistics).to_contain_text("40 tokens")


@each_order
async def test_arrow_up_that_chooses_a_word_edits_nothing(chat_page, order):
    """The last question stays as it is."""
    await chat_page.ask_and_hear("First")
    await chat_page.box.evaluate(PRESS, {"key": "ArrowUp", "order": order})
    await expect(chat_page.page.get_by_role("textbox", name="Edit the question")).to_have_count(0)
