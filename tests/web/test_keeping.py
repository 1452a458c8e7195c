"""What the page keeps: conversations over a reload, edits, search, deletion, export."""

import json
import re

import pytest
from playwright.async_api import expect

from harness.processes.wait import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


def button(chat_page, name):
    return chat_page.page.get_by_role("button", name=name, exact=True)


async def test_a_reload_keeps_the_conversation(chat_page):
    """After a reload the same conversation is shown, and goes on with its history."""
    await chat_page.ask_and_hear("Hello")
    await chat_page.page.reload()
    await expect(chat_page.questions).to_have_text("Hello")
    await expect(chat_page.answer).to_have_text("echo: Hello word word")
    await expect(chat_page.statistics).to_contain_text("3 tokens")
    await chat_page.ask_and_hear("Again")
    assert [message["content"] for message in chat_page.asked[-1]["messages"]] == [
        "Hello",
        "echo: Hello word word",
    ]


async def test_a_long_conversation_opens_at_its_end(chat_page):
    """After a reload too: its newest answer is in view."""
    await chat_page.ask_and_hear("Long\n\n" + "- line\n" * 60)
    await chat_page.ask_and_hear("Last")
    await chat_page.page.reload()
    await expect(chat_page.answer).to_be_in_viewport()


async def test_a_draft_outlasts_a_reload(chat_page):
    """A question that was written and not sent is there again; one that was sent is not."""
    await chat_page.box.fill("Half a thou")
    await chat_page.page.reload()
    await expect(chat_page.box).to_have_value("Half a thou")
    await chat_page.ask_and_hear("A whole one")
    await chat_page.page.reload()
    await expect(chat_page.box).to_have_value("")


async def test_an_answer_is_made_again(chat_page):
    """Answering again asks the same with the same history, and replaces the answer."""
    await chat_page.ask_and_hear("One")
    await chat_page.ask_and_hear("Two")
    await button(chat_page, "Answer again").last.click()
    await chat_page.is_over()
    await expect(chat_page.exchanges).to_have_count(2)
    assert chat_page.asked[-1] == chat_page.asked[-2]


async def test_an_older_answer_is_kept_beside_the_new_one(system, chat_page):
    """Both can be shown, after a reload too. The model gets the one that is shown."""
    await chat_page.ask_and_hear("Twice")
    await system.model.speed(tokens=5, token_seconds=0)
    await button(chat_page, "Answer again").click()
    await expect(chat_page.answer).to_have_text("echo: Twice word word word word")
    await chat_page.is_over()
    await chat_page.page.reload()
    await button(chat_page, "Other answer").click()
    await expect(chat_page.answer).to_have_text("echo: Twice word word")
    await chat_page.ask_and_hear("Next")
    assert chat_page.asked[-1]["messages"][1]["content"] == "echo: Twice word word"


async def test_a_cut_answer_goes_on(system, chat_page):
    """An answer that has reached its length has a button that asks for the rest."""
    await system.model.speed(tokens=400, token_seconds=0)
    await button(chat_page, "Settings …").click()
    await chat_page.page.get_by_role("combobox", name="Answers").select_option("short")
    await button(chat_page, "Save").click()
    await chat_page.ask_and_hear("Long")
    await expect(chat_page.notice).to_contain_text("greatest length")
    await button(chat_page, "Continue").click()
    await expect(chat_page.exchanges).to_have_count(2)
    await chat_page.is_over()
    assert chat_page.asked[-1]["prompt"] == "Continue where you stopped."


async def test_a_conversation_is_renamed(chat_page):
    """The name is kept; an empty one changes nothing."""
    await chat_page.ask_and_hear("Hello")
    name = chat_page.page.get_by_role("textbox", name="Name")
    for given in ("Homework", "  "):
        await button(chat_page, "Rename the conversation").click()
        await name.fill(given)
        await button(chat_page, "Rename").click()
    await chat_page.page.reload()
    await expect(chat_page.page.locator("#title")).to_have_text("Homework")
    await expect(chat_page.conversations).to_contain_text("Homework")


async def test_what_was_exported_is_imported(chat_page, open_chat_page, system):
    """In another browser everything is there. A second import adds a second copy. Other files are refused."""
    await chat_page.ask_and_hear("Take me along")
    async with chat_page.page.expect_download() as download:
        await button(chat_page, "JSON").click()
    file = await (await download.value).path()
    other = await open_chat_page(system.url)
    for count in (1, 2):
        async with other.page.expect_file_chooser() as chooser:
            await button(other, "Import …").click()
        await (await chooser.value).set_files(file)
        await expect(other.conversations).to_have_count(count)
    await other.conversations.get_by_role("button").first.click()
    await expect(other.answer).to_have_text("echo: Take me along word word")
    broken = [b'{"stile": 1, "conversations": [%s]}' % entry for entry in (b"{}", b"null")]
    for content in (b"{", b"[]", *broken):
        async with other.page.expect_file_chooser() as chooser:
            await button(other, "Import …").click()
        wrong = {"name": "x.json", "mimeType": "application/json", "buffer": content}
        await (await chooser.value).set_files([wrong])
        await expect(other.trouble).to_contain_text("This file")
    await expect(other.conversations).to_have_count(2)


async def test_a_tab_that_is_not_looked_at_says_that_the_answer_is_ready(system, chat_page):
    """By its title, until it is looked at."""
    await system.model.speed(tokens=20, token_seconds=0.1)
    await chat_page.ask("Tell me")
    hide = "(is) => { Object.defineProperty(document, 'hidden', { value: is, configurable: true });"
    hide += " document.dispatchEvent(new Event('visibilitychange')); }"
    await chat_page.page.evaluate(hide, arg=True)
    await expect(chat_page.page).to_have_title(re.compile("^● Tell me"))
    await chat_page.page.evaluate(hide, arg=False)
    await expect(chat_page.page).to_have_title(re.compile("^Tell me"))


async def test_a_question_is_edited_and_sent_again(chat_page):
    """What followed the question goes, and what came before is the history."""
    for question in ("One", "Two", "Three"):
        await chat_page.ask_and_hear(question)
    await button(chat_page, "Edit").nth(1).click()
    box = chat_page.page.get_by_role("textbox", name="Edit the question")
    await box.fill("Second")
    await button(chat_page, "Send again").click()
    await chat_page.is_over()
    await expect(chat_page.questions).to_have_text(["One", "Second"])
    assert chat_page.asked[-1]["prompt"] == "Second"
    assert [message["content"] for message in chat_page.asked[-1]["messages"]] == [
        "One",
        "echo: One word word",
    ]


async def test_several_conversations_are_found_and_deleted(chat_page):
    """Each has its own history; a search looks into questions and answers; deleting asks first."""
    await chat_page.ask_and_hear("Apples")
    await button(chat_page, "New conversation").click()
    await chat_page.ask_and_hear("Pears")
    assert chat_page.asked[-1]["messages"] == []
    await expect(chat_page.conversations).to_have_count(2)

    search = chat_page.page.get_by_role("searchbox", name="Search the conversations")
    await search.fill("ECHO: app")
    await expect(chat_page.conversations).to_have_count(1)
    await expect(chat_page.conversations).to_contain_text("Apples")
    await chat_page.conversations.get_by_role("button").first.click()
    await expect(chat_page.questions).to_have_text("Apples")
    await search.fill("")

    await button(chat_page, "Delete “Apples”").click()
    await button(chat_page, "Cancel").click()
    await expect(chat_page.conversations).to_have_count(2)
    await button(chat_page, "Delete “Apples”").click()
    await button(chat_page, "Delete").click()
    await expect(chat_page.conversations).to_have_count(1)
    await expect(chat_page.exchanges).to_have_count(0)
    await chat_page.page.reload()
    await expect(chat_page.conversations).to_have_count(1)

    await button(chat_page, "Delete all …").click()
    await button(chat_page, "Delete all").click()
    await expect(chat_page.conversations).to_have_count(0)


async def test_deleting_a_conversation_stops_what_is_answered_in_it(system, chat_page):
    """Its model is freed, and its last words do not bring it back."""
    await system.model.speed(tokens=4000, token_seconds=0.02)
    await chat_page.ask("Delete me")
    await chat_page.is_writing()
    await button(chat_page, "Delete “Delete me”").click()
    await button(chat_page, "Delete").click()

    async def is_free():
        return (await system.model.log())["generations"][-1]["outcome"] == "cancelled"

    await until(is_free, what="the model has let go")
    await expect(chat_page.conversations).to_have_count(0)
    await chat_page.page.reload()
    await expect(chat_page.conversations).to_have_count(0)


async def test_an_answer_goes_on_while_another_conversation_is_read(system, chat_page):
    """Opening another conversation stops nothing; coming back shows the answer."""
    await system.model.speed(tokens=60, token_seconds=0.05)
    await chat_page.ask("In the background")
    await chat_page.is_writing()
    await button(chat_page, "New conversation").click()
    await expect(chat_page.exchanges).to_have_count(0)
    await expect(chat_page.conversations).to_contain_text("in progress")
    await expect(chat_page.conversations).not_to_contain_text("in progress")
    await chat_page.conversations.get_by_role("button").first.click()
    await expect(chat_page.statistics).to_contain_text("60 tokens")


async def test_another_tab_sees_what_is_new(open_chat_page, system):
    """Tabs of one browser keep the same conversations."""
    first = await open_chat_page(system.url)
    second = await open_chat_page(system.url, beside=first)
    await first.ask_and_hear("From the first tab")
    await expect(second.conversations).to_contain_text("From the first tab")


async def test_everything_is_exported(chat_page):
    """JSON holds the data as it is kept; Markdown is for people."""
    await chat_page.ask_and_hear("First **question**")
    await button(chat_page, "New conversation").click()
    await chat_page.ask_and_hear("Second")

    async def saved(name):
        async with chat_page.page.expect_download() as download:
            await button(chat_page, name).click()
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


async def test_a_full_browser_is_said(chat_page):
    """Where the browser keeps no more, that is told, and the answer is shown all the same."""
    await chat_page.page.evaluate("localStorage.setItem('other', 'x'.repeat(5 * 1024 * 1024 - 200))")
    await chat_page.ask_and_hear("Is there room? " + "word " * 100)
    await expect(chat_page.answer).to_contain_text("echo: Is there room?")
    await expect(chat_page.trouble).to_contain_text("The browser's room is full")
