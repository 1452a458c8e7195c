"""A conversation that is longer than the model can read goes on."""

import pytest
import pytest_asyncio
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONTEXT = 60
"""Words that the stand-in reads."""


@pytest_asyncio.fixture(loop_scope="session")
async def narrow_page(system, chat_page):
    """The page before a model that reads little."""
    await system.model.faults(context=CONTEXT)
    return chat_page


async def test_twenty_exchanges_past_the_context(narrow_page):
    """Each question is answered. The page says how many are no longer sent, and offers a new conversation."""
    for number in range(20):
        await narrow_page.ask_and_hear(f"Question {number} has quite a few words in it")
        await expect(narrow_page.answer).to_contain_text(f"echo: Question {number} has")
        await expect(narrow_page.notice).to_be_hidden()
    sent = narrow_page.asked[-1]["messages"]
    assert 2 <= len(sent) < 12
    assert sent[-2]["content"].startswith("Question 18 ")
    unsent = narrow_page.page.locator(".unsent")
    count = 20 - 1 - len(sent) // 2
    await expect(unsent).to_contain_text(f"no longer sent the {count} questions above")
    await narrow_page.page.reload()
    await expect(unsent).to_contain_text(f"{count} questions")
    await unsent.get_by_role("button", name="New conversation").click()
    await narrow_page.ask_and_hear("Anew")
    assert narrow_page.asked[-1]["messages"] == []
    await expect(unsent).to_have_count(0)


async def test_a_question_that_is_too_long_by_itself(narrow_page):
    """The page says what to do. It drops nothing of the conversation, as that would not help."""
    await narrow_page.ask_and_hear("First")
    await narrow_page.ask_and_hear("word " * 100)
    await expect(narrow_page.notice).to_contain_text("This question is too long for the model.")
    await narrow_page.ask_and_hear("Short")
    await expect(narrow_page.answer).to_contain_text("echo: Short")
    assert [message["content"] for message in narrow_page.asked[-1]["messages"]] == [
        "First",
        "echo: First word word",
    ]
