"""A conversation that is longer than the model can read goes on."""

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import expect

from harness.processes.wait import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONTEXT = 60
"""Words that the stand-in reads."""


@pytest_asyncio.fixture(loop_scope="session")
async def narrow_page(system, chat_page):
    """The page before a model that reads little."""
    await system.model.faults(context=CONTEXT)
    async with httpx.AsyncClient() as http:

        async def known():
            models = (await http.get(f"{system.url}/v1/models")).json()["data"]
            return [model.get("meta") for model in models] == [{"n_ctx": CONTEXT}]

        await until(known, what="the worker tells the context")
    return chat_page


async def given(system):
    """Return how many exchanges the model was given with the last question."""
    messages = (await system.model.log())["last"]["messages"]
    return len(messages) // 2


async def ask_twenty(chat_page):
    for number in range(20):
        await chat_page.ask_and_hear(f"Question {number} has quite a few words in it")
        await expect(chat_page.answer).to_contain_text(f"echo: Question {number} has")
        await expect(chat_page.notice).to_be_hidden()


async def test_twenty_exchanges_past_the_context(narrow_page, system):
    """Each question is answered. The page says how many are no longer sent; a new one has the rest."""
    await ask_twenty(narrow_page)
    kept = await given(system)
    assert 1 <= kept < 4
    unsent = narrow_page.page.locator(".unsent")
    count = 20 - 1 - kept
    await expect(unsent).to_contain_text(f"no longer sent the {count} questions above")
    await narrow_page.page.reload()
    await expect(unsent).to_contain_text(f"{count} questions")
    await unsent.get_by_role("button", name="New conversation from here").click()
    await expect(unsent).to_have_count(0)
    await expect(narrow_page.exchanges).to_have_count(kept + 1)
    await expect(narrow_page.conversations).to_have_count(2)
    await narrow_page.ask_and_hear("Anew")
    sent = narrow_page.asked[-1]["messages"]
    assert [message["content"][:11] for message in sent[-2:]] == ["Question 19", "echo: Quest"]
    assert len(sent) == 2 * (kept + 1)


async def test_a_new_conversation_from_a_summary(narrow_page):
    """The model is asked for it, and the new conversation begins with its answer."""
    await ask_twenty(narrow_page)
    await narrow_page.page.get_by_role("button", name="New conversation from a summary").click()
    await expect(narrow_page.exchanges).to_have_count(1)
    await expect(narrow_page.answer).to_contain_text("echo: Summarise our conversation")
    await expect(narrow_page.conversations).to_have_count(2)
    await narrow_page.ask_and_hear("Anew")
    sent = narrow_page.asked[-1]["messages"]
    assert [message["content"][:9] for message in sent] == ["Summarise", "echo: Sum"]


async def test_a_gauge_shows_how_full_the_context_is(narrow_page):
    """By the latest answer's tokens, in words too; nothing is shown before there is one."""
    gauge = narrow_page.page.locator("meter")
    await expect(gauge).to_be_hidden()
    await narrow_page.page.reload()
    await narrow_page.ask_and_hear("How full?")
    await expect(gauge).to_have_accessible_name("The model's context is 22 % full: 13 of 60 tokens")
    await narrow_page.page.reload()
    await expect(gauge).to_be_visible()


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
