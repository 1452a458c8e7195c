"""What can be done with one conversation: pinned, copied, printed."""

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOTES = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"a line of the file\n" * 60}


async def choose(chat_page, name):
    await chat_page.page.get_by_role("button", name="More", exact=True).click()
    await chat_page.page.get_by_role("button", name=name, exact=True).click()


async def test_a_pinned_conversation_stays_at_the_top(chat_page):
    """Above newer ones, after a reload too, until it is unpinned."""
    await chat_page.ask_and_hear("Old")
    await choose(chat_page, "Pin to the top of the list")
    await chat_page.page.get_by_role("button", name="New conversation").click()
    await chat_page.ask_and_hear("New")
    await chat_page.page.reload()
    titles = chat_page.conversations.locator(".title")
    await expect(titles).to_have_text(["Pinned: Old", "New"])
    await chat_page.conversations.get_by_role("button").first.click()
    await choose(chat_page, "Unpin")
    await expect(titles).to_have_text(["New", "Old"])


async def test_a_conversation_is_copied_as_markdown(open_chat_page, system):
    """All of it, with its title."""
    chat_page = await open_chat_page(system.url, permissions=["clipboard-read", "clipboard-write"])
    await chat_page.ask_and_hear("First")
    await chat_page.ask_and_hear("Second")
    await choose(chat_page, "Copy as Markdown")
    await expect(chat_page.page.locator("#announcer")).to_have_text("Copied")
    copied = await chat_page.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("# First\n\n")
    assert copied.endswith("**You**\n\nSecond\n\n**standin**\n\necho: Second word word")
    assert "**You**\n\nFirst\n\n" in copied


async def test_nothing_is_offered_for_an_empty_conversation(chat_page):
    """There is nothing to pin, copy or print. Escape closes the list of actions."""
    more = chat_page.page.get_by_role("button", name="More", exact=True)
    await expect(more).to_be_hidden()
    await chat_page.ask_and_hear("Now")
    await more.click()
    await expect(chat_page.page.get_by_role("button", name="Print …")).to_be_visible()
    await chat_page.page.keyboard.press("Escape")
    await expect(chat_page.page.get_by_role("button", name="Print …")).to_be_hidden()


async def test_the_button_prints(chat_page):
    """By the browser's own dialog."""
    await chat_page.page.evaluate("window.print = () => { window.printed = true; }")
    await chat_page.ask_and_hear("On paper")
    await choose(chat_page, "Print …")
    assert await chat_page.page.evaluate("window.printed") is True


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_whole_conversation_is_printed_and_no_controls(chat_page, theme):
    """Also what is far above or folded away, dark on white."""
    await chat_page.page.emulate_media(color_scheme=theme)
    await chat_page.page.locator("#composer input[type=file]").set_input_files([NOTES])
    for number in range(8):
        await chat_page.ask_and_hear(f"Question {number}\n\n```\n{'code ' * 40}\n```")
    await chat_page.page.emulate_media(media="print")
    for locator in (chat_page.questions, chat_page.answers, chat_page.page.locator(".file pre")):
        for part in await locator.all():
            await expect(part).to_be_visible()
    for role in ("button", "textbox", "searchbox", "combobox", "navigation"):
        await expect(chat_page.page.get_by_role(role).locator("visible=true")).to_have_count(0)
    heights = await chat_page.page.evaluate(
        "[document.documentElement, document.getElementById('transcript')]"
        ".map((element) => element.scrollHeight).concat(innerHeight)"
    )
    whole, transcript, window = heights
    assert whole >= transcript > window, "it goes on over the end of a page"
    scrolling = await chat_page.page.evaluate(
        "[...document.querySelectorAll('#transcript, #transcript *')].filter((node) =>"
        " node.clientHeight && getComputedStyle(node).overflowX !== 'visible'"
        " && node.scrollWidth > node.clientWidth + 1).length"
    )
    assert scrolling == 0, "nothing is cut off at the side"
    ink = await chat_page.answer.evaluate("(node) => getComputedStyle(node).color")
    assert ink == "rgb(36, 39, 42)"
