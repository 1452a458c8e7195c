"""Formulas in an answer are shown as formulas; what only looks like one stays text."""

import re

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

LISTED = "1. First:\n\n   \\[\n   a\n   = b\n\n   - c\n   \\]\n\n2. Second"
NOT_ENDED = r"A \(x_1 and **bold** and \[y and $$z"
WRONG = r"Look: \(\frac{1}\) \(\href{https://example.com}{x}\) \(\style{position:fixed}{x}\)"
HOSTILE = (
    r"\(\text{<img src=x onerror='window.harmed=1'>}\) \(\color{red}{x}\) "
    r"\[\text{</math><script>1</script>}\]"
)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (r"So \(x^2 + y_1\) holds.", ["x2+y1"]),
        (r"So \[ \frac{a}{b} \] holds.", ["ab"]),
        ("$$\na\n= b\n$$\n\nand $$ c $$.", ["a=b", "c"]),
        (LISTED, ["a=b−c"]),  # noqa: RUF001 -- a minus
        ("> \\[\n> a\n> \\]", ["a"]),
        ("\\[\na\n- b\n\\] with \\(c\\) and \\(d\\).", ["a−b", "c", "d"]),  # noqa: RUF001 -- a minus
        (r"**Bold \(a*b*c\)** and `\(code\)`", ["a∗b∗c"]),  # noqa: RUF001 -- an asterisk operator
    ],
    ids=["line", "brackets", "dollars", "list", "quotation", "text after it", "bold"],
)
async def test_formulas_are_shown(answers, text, seen):
    """Each as MathML, whatever Markdown would have made of its signs."""
    answer = await answers(text)
    await expect(answer.locator("math")).to_have_count(len(seen))
    shown = await answer.locator("math").evaluate_all("all => all.map((math) => math.textContent)")
    assert [re.sub(r"\s", "", text) for text in shown] == seen
    await expect(answer).not_to_contain_text(re.compile(r"\\[(\[](?!code)"))


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 and $6.",
        "It costs $$5 and $$6.",
        NOT_ENDED.replace("**", ""),
        "Say __init__, foo.__init__(self), __main__.py, __VA_ARGS__ and snake_case_names.",
    ],
)
async def test_other_text_stays_as_it_is(answers, text):
    """Money, signs without an end, and names with underscores."""
    answer = await answers(text)
    await expect(answer).to_have_text(text)
    await expect(answer.locator("math, strong, em")).to_have_count(0)


async def test_a_formula_with_a_mistake_is_shown_as_it_is_written(answers):
    """The rest of the answer is not lost. Links and styles are no part of a formula."""
    answer = await answers(rf"{WRONG} \(right\)")
    await expect(answer.locator("math")).to_have_count(1)
    await expect(answer).to_contain_text(WRONG)


async def test_a_formula_that_is_being_written_does_not_flicker(answers, chat_page):
    """Until it ends, its source is shown, and Markdown makes nothing of it; then it is a formula, once."""
    await chat_page.page.evaluate(
        """() => {
          window.seen = new Set();
          new MutationObserver(() => {
            const prose = document.querySelector('.prose');
            if (!prose) return;
            const made = [...prose.querySelectorAll('math, em, strong, ul, h3')];
            window.seen.add(made.map((node) => node.localName).join(' '));
            window.seen.add(prose.textContent.includes('('));
          }).observe(document.getElementById('transcript'), { childList: true, subtree: true });
        }"""
    )
    pieces = ["So:\n\\", "[\n", "*a*", "\n- b", "\n= c", "\n\\", "] ", "holds"]
    answer = await answers(*pieces, token_seconds=0.2)
    await expect(answer).to_contain_text("\\[")
    await expect(answer.locator("math")).to_have_count(1)
    await expect(answer).to_contain_text("holds")
    await chat_page.is_over()
    assert set(await chat_page.page.evaluate("[...window.seen]")) == {"", "math", False}


async def test_a_formula_can_do_no_harm(answers, chat_page):
    """What Temml makes goes through the sanitizer, and the page's policy has nothing to refuse."""
    answer = await answers(HOSTILE)
    await expect(answer.locator("math")).to_have_count(3)
    assert await answer.locator("img, script, a").count() == 0
    assert await chat_page.page.evaluate("window.harmed") is None
    colours = await answer.locator("math *").evaluate_all(
        "all => all.map((node) => getComputedStyle(node).color)"
    )
    assert "rgb(255, 0, 0)" in colours


async def test_a_wide_formula_scrolls_by_itself(open_chat_page, system, answers):
    """Also by the keyboard; the page does not become wider."""
    narrow = await open_chat_page(system.url, viewport={"width": 360, "height": 640})
    answer = await answers(
        "\\[" + " + ".join(f"x_{{{index}}}" for index in range(60)) + "\\]", chat_page=narrow
    )
    formula = answer.get_by_role("group", name="Formula")
    await expect(formula.locator("math")).to_be_visible()
    assert await narrow.sideways() <= 0
    await expect(formula).to_have_attribute("tabindex", "0")


async def test_formulas_are_loaded_when_there_is_one(answers, chat_page):
    """An answer without formulas and code needs neither library."""
    await answers("Plain words. `code` and\n\n```\nmore\n```")
    assert not [request.url for request in chat_page.requests if re.search("temml|highlight", request.url)]
    answer = await answers(r"\(x\)")
    await expect(answer.locator("math")).to_be_visible()
    assert [request.url for request in chat_page.requests if "temml.min" in request.url]
