"""The page for every reader: a phone, the dark, a keyboard, a screen reader, right-to-left text."""

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}
WIDE = (
    "Look " + "x" * 80 + "\n\n```\n" + "y " * 20 + "\n```\n\n|a|b|c|d|e|f|g|h|\n|-|-|-|-|-|-|-|-|\n"
    "|one|two|six|ten|one|two|six|ten|"
)
"""A long word, a long line of code and a wide table."""


async def background(chat_page):
    return await chat_page.page.evaluate("getComputedStyle(document.body).backgroundColor")


async def test_a_phone_never_scrolls_sideways(open_chat_page, system):
    """Neither empty nor with the widest things in an answer; they scroll by themselves."""
    chat_page = await open_chat_page(system.url, **PHONE)
    assert await chat_page.sideways() <= 0
    await chat_page.ask_and_hear("A title that is longer than a phone is wide, by quite a few of its words")
    assert await chat_page.sideways() <= 0
    await chat_page.ask_and_hear(WIDE)
    await expect(chat_page.answer.locator("table")).to_be_visible()
    assert await chat_page.sideways() <= 0


async def test_the_words_of_a_table_stay_whole(open_chat_page, system):
    """No word breaks inside: on a narrow page the table scrolls."""
    chat_page = await open_chat_page(system.url, **PHONE)
    words = ["planet", "Jupiter", "atmosphere", "satellites", "Wirbelstürme", "temperature"]
    rows = ["|".join(words), "|".join("-" for _ in words), "|".join(reversed(words))]
    await chat_page.ask_and_hear("A table\n\n" + "\n".join(f"|{row}|" for row in rows))
    lines = await chat_page.answer.locator("th, td").evaluate_all(
        "cells => cells.map((cell) => {"
        " const range = document.createRange(); range.selectNodeContents(cell);"
        " return new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size; })"
    )
    assert lines == [1] * 2 * len(words)


async def test_a_list_and_its_marks_stand_on_one_side(chat_page):
    """A right-to-left list has its marks on the right, within the column; a left-to-right one on the left."""
    await chat_page.ask_and_hear("x\n\n- אחת\n- שתיים\n\nthen\n\n1. one\n2. two")
    direction = "(list) => getComputedStyle(list).direction"
    assert await chat_page.answer.locator("ul").evaluate(direction) == "rtl"
    assert await chat_page.answer.locator("ol").evaluate(direction) == "ltr"
    right = "(list) => getComputedStyle(list).paddingRight"
    assert await chat_page.answer.locator("ul").evaluate(right) != "0px"


async def test_on_a_phone_the_list_is_a_drawer(open_chat_page, system):
    """It opens by its button, closes by Escape and by a choice, and gives the keyboard back."""
    chat_page = await open_chat_page(system.url, **PHONE)
    await chat_page.ask_and_hear("Hello")
    new = chat_page.page.get_by_role("button", name="New conversation")
    menu = chat_page.page.get_by_role("button", name="Conversations", exact=True)
    await expect(new).to_be_hidden()
    await menu.click()
    await expect(menu).to_have_attribute("aria-expanded", "true")
    await expect(new).to_be_focused()
    await chat_page.page.keyboard.press("Escape")
    await expect(new).to_be_hidden()
    await expect(menu).to_be_focused()
    await menu.click()
    await new.click()
    await expect(new).to_be_hidden()
    await expect(chat_page.exchanges).to_have_count(0)


async def test_dark_is_as_the_system_has_it_or_as_it_was_chosen(open_chat_page, system):
    """The system's wish holds until the switch says otherwise, and the choice outlasts a reload."""
    chat_page = await open_chat_page(system.url, color_scheme="dark")
    body, colour = chat_page.page.locator("body"), "background-color"
    dark = await background(chat_page)
    await chat_page.page.emulate_media(color_scheme="light")
    # The browser restyles in its own time: expectations wait for it.
    await expect(body).not_to_have_css(colour, dark)
    light = await background(chat_page)
    await chat_page.page.get_by_role("combobox", name="Theme").select_option("Dark")
    await expect(body).to_have_css(colour, dark)
    await chat_page.page.reload()
    await expect(body).to_have_css(colour, dark)
    await chat_page.page.get_by_role("combobox", name="Theme").select_option("System")
    await expect(body).to_have_css(colour, light)


async def test_the_keyboard_goes_all_the_way(system, chat_page):
    """Ask, stop, edit, and begin anew without a mouse, from wherever the focus is after each."""
    keyboard = chat_page.page.keyboard
    await system.model.speed(tokens=4000, token_seconds=0.02)
    await expect(chat_page.box).to_be_focused()
    await keyboard.type("First line")
    await keyboard.press("Shift+Enter")
    await keyboard.type("second line")
    await keyboard.press("Enter")
    await chat_page.is_writing()
    await keyboard.press("Escape")
    await expect(chat_page.notice).to_have_text("Stopped.")
    await expect(chat_page.questions).to_have_text("First line\nsecond line")

    await system.model.speed(tokens=3, token_seconds=0)
    await expect(chat_page.box).to_be_focused()
    await keyboard.press("ArrowUp")
    edit = chat_page.page.get_by_role("textbox", name="Edit the question")
    await expect(edit).to_be_focused()
    await keyboard.press("Escape")
    await expect(chat_page.page.get_by_role("button", name="Edit")).to_be_focused()
    await keyboard.press("Enter")
    await keyboard.press("ControlOrMeta+A")
    await keyboard.type("Better")
    await keyboard.press("ControlOrMeta+Enter")
    await expect(chat_page.answer).to_have_text("echo: Better word word")

    await chat_page.page.reload()
    await expect(chat_page.answer).to_have_text("echo: Better word word")
    await chat_page.page.evaluate("document.activeElement.blur()")
    reached = []
    for _ in range(30):
        await keyboard.press("Tab")
        label = await chat_page.page.evaluate(
            "document.activeElement.getAttribute('aria-label') || document.activeElement.innerText"
            " || document.activeElement.id"
        )
        reached.append(label.split("\n")[0])
        if label == "New conversation":
            await keyboard.press("Enter")
            break
    assert reached[-1] == "New conversation", reached
    await expect(chat_page.exchanges).to_have_count(0)
    await expect(chat_page.box).to_be_focused()


async def test_every_control_has_a_name(chat_page):
    """A screen reader can say what each button, box and list is."""
    await chat_page.ask_and_hear("Look:\n\n```python\nprint(1)\n```")
    names = await chat_page.names()
    for role in (
        "button",
        "textbox",
        "searchbox",
        "combobox",
        "navigation",
        "complementary",
        "form",
        "region",
    ):
        assert all(names.get(role, [""])), (role, names.get(role))
    assert names["heading"].count("You") == 1


async def test_a_screen_reader_hears_the_answer_once_and_not_each_word(system, chat_page):
    """The live region changes with the state alone; at the end it holds the answer."""
    await system.model.speed(tokens=40, token_seconds=0.02)
    await chat_page.page.evaluate(
        """() => {
          window.said = [];
          const region = document.querySelector('[role=status]#announcer');
          const note = () => window.said.push(region.textContent);
          new MutationObserver(note).observe(region, { childList: true });
        }"""
    )
    await chat_page.ask_and_hear("Say it")
    await expect(chat_page.page.locator("#announcer")).to_contain_text("echo: Say it word")
    said = await chat_page.page.evaluate("window.said")
    assert said[-2] == "The answer is being written"
    assert len(said) == len(set(said)) <= 5, said


async def test_right_to_left_text_runs_right_to_left(chat_page):
    """Each paragraph by its own first letters, in the question and in the answer; code never."""
    await chat_page.ask_and_hear("مرحبا بالعالم\n\nHello\n\nمرحبا\n\n```\nمرحبا\n```\n\nthere")  # noqa: RUF001 -- Arabic
    direction = "(element) => getComputedStyle(element).direction"
    assert await chat_page.questions.evaluate(direction) == "rtl"
    paragraphs = await chat_page.answer.locator("p").evaluate_all(f"(all) => all.map({direction})")
    assert paragraphs == ["ltr", "ltr", "rtl", "ltr"]
    assert await chat_page.answer.locator("pre").evaluate(direction) == "ltr"


async def test_motion_stops_where_it_is_not_wanted(open_chat_page, system):
    """Nothing moves for those who have asked their system for stillness."""
    await system.model.speed(tokens=4000, token_seconds=0.02)
    chat_page = await open_chat_page(system.url, reduced_motion="reduce")
    await chat_page.ask("Be still")
    await chat_page.is_writing()
    assert await chat_page.page.evaluate("document.getAnimations().length") == 0
    await chat_page.stop.click()
