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


async def background(desk):
    return await desk.page.evaluate("getComputedStyle(document.body).backgroundColor")


async def test_a_phone_never_scrolls_sideways(open_desk, system):
    """Neither empty nor with the widest things in an answer; they scroll by themselves."""
    desk = await open_desk(system.url, **PHONE)
    assert await desk.sideways() <= 0
    await desk.ask_and_hear("A title that is longer than a phone is wide, by quite a few of its words")
    assert await desk.sideways() <= 0
    await desk.ask_and_hear(WIDE)
    await expect(desk.answer.locator("table")).to_be_visible()
    assert await desk.sideways() <= 0


async def test_on_a_phone_the_list_is_a_drawer(open_desk, system):
    """It opens by its button, closes by Escape and by a choice, and gives the keyboard back."""
    desk = await open_desk(system.url, **PHONE)
    await desk.ask_and_hear("Hello")
    new = desk.page.get_by_role("button", name="New conversation")
    menu = desk.page.get_by_role("button", name="Conversations", exact=True)
    await expect(new).to_be_hidden()
    await menu.click()
    await expect(menu).to_have_attribute("aria-expanded", "true")
    await expect(new).to_be_focused()
    await desk.page.keyboard.press("Escape")
    await expect(new).to_be_hidden()
    await expect(menu).to_be_focused()
    await menu.click()
    await new.click()
    await expect(new).to_be_hidden()
    await expect(desk.exchanges).to_have_count(0)


async def test_dark_is_as_the_system_has_it_or_as_it_was_chosen(open_desk, system):
    """The system's wish holds until the switch says otherwise, and the choice outlasts a reload."""
    desk = await open_desk(system.url, color_scheme="dark")
    body, colour = desk.page.locator("body"), "background-color"
    dark = await background(desk)
    await desk.page.emulate_media(color_scheme="light")
    # The browser restyles in its own time: expectations wait for it.
    await expect(body).not_to_have_css(colour, dark)
    light = await background(desk)
    await desk.page.get_by_role("combobox", name="Look").select_option("Dark")
    await expect(body).to_have_css(colour, dark)
    await desk.page.reload()
    await expect(body).to_have_css(colour, dark)
    await desk.page.get_by_role("combobox", name="Look").select_option("As the system")
    await expect(body).to_have_css(colour, light)


async def test_the_keyboard_goes_all_the_way(system, desk):
    """Ask, stop, edit, and begin anew without a mouse, from wherever the focus is after each."""
    keyboard = desk.page.keyboard
    await system.model.speed(tokens=4000, token_seconds=0.02)
    await expect(desk.box).to_be_focused()
    await keyboard.type("First line")
    await keyboard.press("Shift+Enter")
    await keyboard.type("second line")
    await keyboard.press("Enter")
    await desk.is_writing()
    await keyboard.press("Escape")
    await expect(desk.notice).to_have_text("Stopped.")
    await expect(desk.questions).to_have_text("First line\nsecond line")

    await system.model.speed(tokens=3, token_seconds=0)
    await expect(desk.box).to_be_focused()
    await keyboard.press("ArrowUp")
    edit = desk.page.get_by_role("textbox", name="Edit the question")
    await expect(edit).to_be_focused()
    await keyboard.press("Escape")
    await expect(desk.page.get_by_role("button", name="Edit")).to_be_focused()
    await keyboard.press("Enter")
    await keyboard.press("ControlOrMeta+A")
    await keyboard.type("Better")
    await keyboard.press("ControlOrMeta+Enter")
    await expect(desk.answer).to_have_text("echo: Better word word")

    await desk.page.reload()
    await expect(desk.answer).to_have_text("echo: Better word word")
    await desk.page.evaluate("document.activeElement.blur()")
    reached = []
    for _ in range(30):
        await keyboard.press("Tab")
        label = await desk.page.evaluate(
            "document.activeElement.getAttribute('aria-label') || document.activeElement.innerText"
            " || document.activeElement.id"
        )
        reached.append(label.split("\n")[0])
        if label == "New conversation":
            await keyboard.press("Enter")
            break
    assert reached[-1] == "New conversation", reached
    await expect(desk.exchanges).to_have_count(0)
    await expect(desk.box).to_be_focused()


async def test_every_control_has_a_name(desk):
    """A screen reader can say what each button, box and list is."""
    await desk.ask_and_hear("Look:\n\n```python\nprint(1)\n```")
    names = await desk.names()
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


async def test_a_screen_reader_hears_the_answer_once_and_not_each_word(system, desk):
    """The live region changes with the state alone; at the end it holds the answer."""
    await system.model.speed(tokens=40, token_seconds=0.02)
    await desk.page.evaluate(
        """() => {
          window.said = [];
          const region = document.querySelector('[role=status]#announcer');
          const note = () => window.said.push(region.textContent);
          new MutationObserver(note).observe(region, { childList: true });
        }"""
    )
    await desk.ask_and_hear("Say it")
    await expect(desk.page.locator("#announcer")).to_contain_text("echo: Say it word")
    said = await desk.page.evaluate("window.said")
    assert said[-2] == "The answer is being written"
    assert len(said) == len(set(said)) <= 5, said


async def test_right_to_left_text_runs_right_to_left(desk):
    """Each paragraph by its own first letters, in the question and in the answer; code never."""
    await desk.ask_and_hear("مرحبا بالعالم\n\nHello\n\nمرحبا\n\n```\nمرحبا\n```\n\nthere")  # noqa: RUF001 -- Arabic
    direction = "(element) => getComputedStyle(element).direction"
    assert await desk.questions.evaluate(direction) == "rtl"
    paragraphs = await desk.answer.locator("p").evaluate_all(f"(all) => all.map({direction})")
    assert paragraphs == ["ltr", "ltr", "rtl", "ltr"]
    assert await desk.answer.locator("pre").evaluate(direction) == "ltr"


async def test_motion_stops_where_it_is_not_wanted(open_desk, system):
    """Nothing moves for those who have asked their system for stillness."""
    await system.model.speed(tokens=4000, token_seconds=0.02)
    desk = await open_desk(system.url, reduced_motion="reduce")
    await desk.ask("Be still")
    await desk.is_writing()
    assert await desk.page.evaluate("document.getAnimations().length") == 0
    await desk.stop.click()
