"""What the page keeps: conversations over a reload, edits, search, deletion, export."""

import json
import re

import pytest
from playwright.async_api import expect

from harness.wait import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


def button(desk, name):
    return desk.page.get_by_role("button", name=name, exact=True)


async def test_a_reload_keeps_the_conversation(desk):
    """After a reload the same conversation is shown, and goes on with its history."""
    await desk.ask_and_hear("Hello")
    await desk.page.reload()
    await expect(desk.questions).to_have_text("Hello")
    await expect(desk.answer).to_have_text("echo: Hello word word")
    await expect(desk.statistics).to_contain_text("3 tokens")
    await desk.ask_and_hear("Again")
    assert [message["content"] for message in desk.asked[-1]["messages"]] == [
        "Hello",
        "echo: Hello word word",
    ]


async def test_a_reload_in_mid_answer_keeps_what_was_written_and_frees_the_model(system, desk):
    """What the reader saw is there, marked as cut off; the model does not go on for nobody."""
    await system.model.speed(tokens=4000, token_seconds=0.02)
    await desk.ask("Leave me")
    await desk.is_writing()
    await desk.page.reload()
    await expect(desk.answer).to_contain_text("echo: Leave me")
    await expect(desk.notice).to_contain_text("Cut off")

    async def is_free():
        last = (await system.model.log())["generations"][-1]
        return (last["prompt"], last["outcome"]) == ("Leave me", "cancelled")

    await until(is_free, what="the model has let go")


async def test_an_answer_is_made_again(desk):
    """Answering again asks the same with the same history, and replaces the answer."""
    await desk.ask_and_hear("One")
    await desk.ask_and_hear("Two")
    await button(desk, "Answer again").last.click()
    await desk.is_over()
    await expect(desk.exchanges).to_have_count(2)
    assert desk.asked[-1] == desk.asked[-2]


async def test_a_question_is_edited_and_sent_again(desk):
    """What followed the question goes, and what came before is the history."""
    for question in ("One", "Two", "Three"):
        await desk.ask_and_hear(question)
    await button(desk, "Edit").nth(1).click()
    box = desk.page.get_by_role("textbox", name="Edit the question")
    await box.fill("Second")
    await button(desk, "Send again").click()
    await desk.is_over()
    await expect(desk.questions).to_have_text(["One", "Second"])
    assert desk.asked[-1]["prompt"] == "Second"
    assert [message["content"] for message in desk.asked[-1]["messages"]] == ["One", "echo: One word word"]


async def test_several_conversations_are_found_and_deleted(desk):
    """Each has its own history; a search looks into questions and answers; deleting asks first."""
    await desk.ask_and_hear("Apples")
    await button(desk, "New conversation").click()
    await desk.ask_and_hear("Pears")
    assert desk.asked[-1]["messages"] == []
    await expect(desk.conversations).to_have_count(2)

    search = desk.page.get_by_role("searchbox", name="Search the conversations")
    await search.fill("ECHO: app")
    await expect(desk.conversations).to_have_count(1)
    await expect(desk.conversations).to_contain_text("Apples")
    await desk.conversations.get_by_role("button").first.click()
    await expect(desk.questions).to_have_text("Apples")
    await search.fill("")

    await button(desk, "Delete “Apples”").click()
    await button(desk, "Cancel").click()
    await expect(desk.conversations).to_have_count(2)
    await button(desk, "Delete “Apples”").click()
    await button(desk, "Delete").click()
    await expect(desk.conversations).to_have_count(1)
    await expect(desk.exchanges).to_have_count(0)
    await desk.page.reload()
    await expect(desk.conversations).to_have_count(1)

    await button(desk, "Delete all …").click()
    await button(desk, "Delete all").click()
    await expect(desk.conversations).to_have_count(0)


async def test_deleting_a_conversation_stops_what_is_answered_in_it(system, desk):
    """Its model is freed, and its last words do not bring it back."""
    await system.model.speed(tokens=4000, token_seconds=0.02)
    await desk.ask("Delete me")
    await desk.is_writing()
    await button(desk, "Delete “Delete me”").click()
    await button(desk, "Delete").click()

    async def is_free():
        return (await system.model.log())["generations"][-1]["outcome"] == "cancelled"

    await until(is_free, what="the model has let go")
    await expect(desk.conversations).to_have_count(0)
    await desk.page.reload()
    await expect(desk.conversations).to_have_count(0)


async def test_an_answer_goes_on_while_another_conversation_is_read(system, desk):
    """Opening another conversation stops nothing; coming back shows the answer."""
    await system.model.speed(tokens=60, token_seconds=0.05)
    await desk.ask("In the background")
    await desk.is_writing()
    await button(desk, "New conversation").click()
    await expect(desk.exchanges).to_have_count(0)
    await expect(desk.conversations).to_contain_text("in progress")
    await expect(desk.conversations).not_to_contain_text("in progress")
    await desk.conversations.get_by_role("button").first.click()
    await expect(desk.statistics).to_contain_text("60 tokens")


async def test_another_tab_sees_what_is_new(open_desk, system):
    """Tabs of one browser keep the same conversations."""
    first = await open_desk(system.url)
    second = await open_desk(system.url, beside=first)
    await first.ask_and_hear("From the first tab")
    await expect(second.conversations).to_contain_text("From the first tab")


async def test_everything_is_exported(desk):
    """JSON holds the data as it is kept; Markdown is for people."""
    await desk.ask_and_hear("First **question**")
    await button(desk, "New conversation").click()
    await desk.ask_and_hear("Second")

    async def saved(name):
        async with desk.page.expect_download() as download:
            await button(desk, name).click()
        file = await download.value
        return file.suggested_filename, (await file.path()).read_text()

    name, text = await saved("JSON")
    assert re.fullmatch(r"stile-\d{4}-\d\d-\d\d\.json", name)
    kept = json.loads(text)["conversations"]
    exchanges = [exchange for conversation in kept for exchange in conversation["exchanges"]]
    assert [exchange["question"] for exchange in exchanges] == ["Second", "First **question**"]
    assert exchanges[0]["answer"]["usage"]["completion_tokens"] == 3

    name, text = await saved("Markdown")
    assert re.fullmatch(r"stile-\d{4}-\d\d-\d\d\.md", name)
    assert "# First **question**" in text
    assert "**You**\n\nSecond\n\n**standin**\n\necho: Second word word" in text


async def test_a_full_browser_is_said(desk):
    """Where the browser keeps no more, that is told, and the answer is shown all the same."""
    await desk.page.evaluate("localStorage.setItem('other', 'x'.repeat(5 * 1024 * 1024 - 200))")
    await desk.ask_and_hear("Is there room? " + "word " * 100)
    await expect(desk.answer).to_contain_text("echo: Is there room?")
    await expect(desk.trouble).to_contain_text("The browser's room is full")
