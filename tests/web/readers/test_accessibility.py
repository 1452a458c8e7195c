"""axe-core finds no barrier: in both themes, in each state of the page."""

import pytest
from playwright.async_api import expect

from harness.clients.axe import violations
from harness.parts.gateway import Responder, beat

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("theme", ["light", "dark"]),
]

STILL = {"reduced_motion": "reduce"}
"""A colour that changes slowly is none that can be measured."""
PHONE = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}
LONG = (
    "Look\n\n# Title\n\nSee [there](https://example.com)\n\n|a|b|\n|-|-|\n|1|2|\n\n|c|d|\n|-|-|\n|3|4|\n\n"
    "> quote\n\n1. one\n\n- אחת\n\n`code` **bold**\n\n$$a^2$$\n"
)
CODE = (
    "Look\n\n```python\n# comment\n@wrap\nclass A(B):\n    x: int = 1 or None\n    y = f'{x}'\n```\n\n"
    "```diff\n- old\n+ new\n```\n\n```html\n<a href='x'>&amp;</a>\n```\n"
)
NOTES = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"one"}
PICTURE = {"name": "picture.png", "mimeType": "image/png", "buffer": b"\x89PNG\x00"}


async def is_clear(chat_page, state):
    """Nothing is found in the page as it is."""
    assert await violations(chat_page.page) == [], state


async def test_a_conversation(system, open_chat_page, theme):
    """Each state that an answer can have, an empty page, an open editor, a search without results."""
    chat_page = await open_chat_page(system.url, color_scheme=theme, **STILL)
    page = chat_page.page
    await expect(page.locator("#model")).to_have_text("standin")
    await is_clear(chat_page, "empty")
    await system.model.speed(tokens=4000, token_seconds=0.02)
    await chat_page.ask("Stop me")
    await chat_page.is_writing()
    await is_clear(chat_page, "answering")
    await chat_page.stop.click()
    await is_clear(chat_page, "stopped")
    await system.model.speed(tokens=3, token_seconds=0)
    for question in (LONG, CODE, LONG):
        await chat_page.ask_and_hear(question)
    await expect(page.locator(".hljs-keyword").first).to_be_visible()
    await is_clear(chat_page, "a long conversation")
    await page.get_by_role("button", name="Answer again").click()
    await chat_page.is_over()
    await is_clear(chat_page, "another answer")
    await chat_page.ask_and_hear("what the fuck")
    await is_clear(chat_page, "refused")
    await system.model.faults(status=500, times=1)
    await chat_page.ask_and_hear("An error")
    await expect(chat_page.notice).to_contain_text("No answer")
    await is_clear(chat_page, "failed")
    await page.get_by_role("button", name="Edit").last.click()
    await is_clear(chat_page, "editing")
    await page.get_by_role("button", name="Attach text files").wait_for()
    await page.locator("#composer input[type=file]").set_input_files([NOTES, PICTURE])
    await expect(page.locator("#composer .attachments li")).to_have_count(1)
    await is_clear(chat_page, "a file that goes with the question, and one that cannot")
    await page.locator("#more").click()
    await is_clear(chat_page, "the menu of the conversation")
    await page.keyboard.press("Escape")
    await page.get_by_role("searchbox").fill("nothing like this")
    await is_clear(chat_page, "nothing found")


async def test_the_boxes(system, open_chat_page, theme):
    """Each dialog, open."""
    chat_page = await open_chat_page(system.url, color_scheme=theme, **STILL)
    await chat_page.ask_and_hear("Hello")
    for opener in ("#change-settings", "#change-key", "#rename", "#delete-all"):
        await chat_page.page.locator(opener).click()
        await expect(chat_page.page.get_by_role("dialog")).to_be_visible()
        await is_clear(chat_page, opener)
        await chat_page.page.keyboard.press("Escape")


async def test_waiting_and_parts_that_are_away(bus_with_gateway, open_chat_page, theme):
    """A question that is kept, what is missing, and then the place in the queue."""
    gateway, filter_, consumer = bus_with_gateway

    async def accept_only(responder, request):
        place = {"position": 2, "estimate_seconds": 20.4}
        await responder.say(request, "accepted", 0, 0, id=request.headers["Chat-Id"], **place)

    chat_page = await open_chat_page(gateway.url, color_scheme=theme, **STILL)
    await chat_page.ask("Is anybody there?")
    await expect(chat_page.trouble).to_contain_text("The filter")
    await expect(chat_page.status).to_contain_text("Your question")
    await is_clear(chat_page, "parts away")
    await Responder(filter_, accept_only).start()
    await beat(filter_, "filter")
    await beat(consumer, "consumer")
    await expect(chat_page.status).to_have_text("2 before you, about 20 s")
    await is_clear(chat_page, "waiting")
    await chat_page.stop.click()


async def test_a_key_is_asked_for(locked_system, open_chat_page, theme):
    """Before the first question, and after a wrong key."""
    chat_page = await open_chat_page(locked_system.url, color_scheme=theme, **STILL)
    await expect(chat_page.page.get_by_role("dialog")).to_contain_text("You need a key to ask here.")
    await is_clear(chat_page, "no key")
    await chat_page.page.get_by_role("textbox", name="API key").fill("sk-wrong")
    await chat_page.page.keyboard.press("Enter")
    await expect(chat_page.page.get_by_role("dialog")).to_contain_text("This key is not known here.")
    await is_clear(chat_page, "wrong key")
    await chat_page.page.keyboard.press("Escape")


async def test_a_phone(system, open_chat_page, theme):
    """Narrow, with the list closed and open, and with a dialog; in German, whose words are longer."""
    chat_page = await open_chat_page(system.url, color_scheme=theme, locale="de-DE", **STILL, **PHONE)
    page = chat_page.page
    await expect(page.locator("#model")).to_have_text("standin")
    await is_clear(chat_page, "empty")
    await page.get_by_role("textbox", name="Deine Frage").fill(LONG)
    await page.get_by_role("button", name="Senden", exact=True).click()
    await chat_page.is_over()
    await is_clear(chat_page, "answered")
    assert await chat_page.sideways() <= 0
    await page.get_by_role("button", name="Gespräche", exact=True).click()
    await is_clear(chat_page, "the list is open")
    await page.get_by_role("button", name="Einstellungen …").click()
    await is_clear(chat_page, "settings")
    assert await chat_page.sideways() <= 0
