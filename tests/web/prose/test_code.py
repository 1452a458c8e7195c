"""Code in an answer has colours, in both themes, and stays the code that it is."""

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

PYTHON = 'def greet(name: str) -> None:  # a comment\n    print(f"<b>{name}</b> &amp;", 1)\n'
CONTRAST = """(code) => {
  const parse = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = (colour) => {
    const [r, g, b] = parse(colour).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = light(getComputedStyle(code.closest('.code')).backgroundColor);
  return [...code.querySelectorAll('span')].map((span) => {
    const text = light(getComputedStyle(span).color);
    return (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
  });
}"""


def fenced(text, language):
    return f"Look:\n\n```{language}\n{text}```"


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_code_has_colours(answers, chat_page, theme):
    """Several, each readable on its ground (4.5:1, as WCAG asks); the text is not a letter different."""
    await chat_page.page.emulate_media(color_scheme=theme)
    answer = await answers(fenced(PYTHON, "python"))
    code = answer.locator("pre code")
    await expect(code.locator(".hljs-keyword")).to_have_text("def")
    assert await code.text_content() == PYTHON
    colours = await code.locator("span").evaluate_all(
        "all => all.map((span) => getComputedStyle(span).color)"
    )
    assert len(set(colours)) >= 4
    assert min(await code.evaluate(CONTRAST)) >= 4.5


@pytest.mark.parametrize("language", ["Py", "js", "c++", "sh"])
async def test_other_names_of_a_language_are_known(answers, language):
    """As people and models write them."""
    answer = await answers(fenced('x = "y"\n', language))
    await expect(answer.locator("pre .hljs-string")).to_have_text('"y"')


@pytest.mark.parametrize("language", ["", "klingon", "constructor", "__proto__"])
async def test_code_in_no_known_language_is_plain(answers, chat_page, language):
    """It is shown as it is, and not guessed at."""
    answer = await answers(fenced("def x\n", language) + "\n\n" + fenced("def\n", "python"))
    await expect(answer.locator(".hljs-keyword")).to_have_count(1)
    assert await answer.locator("pre code").first.text_content() == "def x\n"
    assert chat_page.problems == []


async def test_code_is_coloured_while_it_is_written(answers, chat_page):
    """Its first lines are, before the last ones are there."""
    answer = await answers("```py\ndef", " a():", "\n  return", *[" + 1"] * 30, "\n```", token_seconds=0.1)
    await expect(answer.locator(".hljs-keyword")).to_have_text(["def", "return"])
    await expect(chat_page.stop).to_be_visible()
    await chat_page.stop.click()
