"""What the model writes can do no harm, and the page loads nothing from elsewhere."""

import pytest
from playwright.async_api import Error, expect

from web.conftest import FOREIGN_HOST, PLAIN_HTTP_HOST

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = (  # no longer than what the stand-in says again
    "<script>window.harmed=1</script> <img src=x onerror='window.harmed=1'>\n\n"
    "[link](javascript:window.harmed=1) ![pixel](https://example.com/p.png)\n\n"
    "<svg onload='window.harmed=1'>"
)
CODE = "```python\nprint('hi')\n```"


async def test_script_in_an_answer_stays_text(chat_page):
    """HTML is shown as it was written, in the answer, the question and the list; nothing of it is made."""
    await chat_page.ask_and_hear(HOSTILE)
    await expect(chat_page.answer).to_contain_text("<script>window.harmed=1</script>")
    await expect(chat_page.answer).to_contain_text("<img src=x onerror='window.harmed=1'>")
    await expect(chat_page.answer).to_contain_text("[link](javascript:window.harmed=1)")
    await expect(chat_page.answer.get_by_role("link", name="pixel")).to_be_visible()  # not fetched: a link
    await chat_page.page.reload()
    await expect(chat_page.answer).to_contain_text("<svg onload='window.harmed=1'>")
    assert (
        await chat_page.page.locator(
            "#transcript :is(script, img, svg:not(.icon), [href^=javascript])"
        ).count()
        == 0
    )
    assert await chat_page.page.evaluate("window.harmed") is None


async def test_links_leave_the_page_alone(chat_page):
    """A link opens elsewhere, without a way back to this page."""
    await chat_page.ask_and_hear("See [there](https://example.com/a)")
    link = chat_page.answer.get_by_role("link", name="there")
    await expect(link).to_have_attribute("href", "https://example.com/a")
    await expect(link).to_have_attribute("target", "_blank")
    await expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")


async def test_markup_reaches_the_page_through_the_sanitizer_alone(chat_page):
    """The policy refuses markup from any other place, and scripts in the page."""
    with pytest.raises(Error, match="TrustedHTML"):
        await chat_page.page.evaluate("document.body.innerHTML = '<b>x</b>'")
    with pytest.raises(Error, match="TrustedScript"):
        await chat_page.page.evaluate("document.createElement('script').text = 'window.harmed = 1'")
    chat_page.problems.clear()  # the two that were provoked


async def test_nothing_is_loaded_from_elsewhere(chat_page, system):
    """All that the page asks for, from its opening to an answer, is at its own address."""
    await chat_page.ask_and_hear(CODE + "\n\n![x](https://example.com/x.png)")
    assert {request.url[: len(system.url) + 1] for request in chat_page.requests} == {f"{system.url}/"}


async def test_code_is_copied(open_chat_page, system):
    """The button of a code block puts its text, and nothing else, into the clipboard."""
    chat_page = await open_chat_page(system.url, permissions=["clipboard-read", "clipboard-write"])
    await chat_page.ask_and_hear(f"Show me\n\n{CODE}\n\nthere")
    await expect(chat_page.answer.locator("figcaption")).to_contain_text("python")
    await chat_page.page.get_by_role("button", name="Copy code").click()
    await expect(chat_page.page.locator("#announcer")).to_have_text("Copied")
    assert await chat_page.page.evaluate("navigator.clipboard.readText()") == "print('hi')\n"


async def test_it_works_over_plain_http_from_another_machine(open_chat_page, system):
    """At home there is no certificate, and browsers hold back much there: asking and copying still work."""
    chat_page = await open_chat_page(f"http://{PLAIN_HTTP_HOST}:{system.port}")
    assert await chat_page.page.evaluate("isSecureContext") is False
    await chat_page.ask_and_hear(f"Show me\n\n{CODE}\n\nthere")
    await chat_page.page.get_by_role("button", name="Copy code").click()
    await expect(chat_page.page.locator("#announcer")).to_have_text("Copied")
    await chat_page.box.focus()
    await chat_page.page.keyboard.press("ControlOrMeta+V")
    await expect(chat_page.box).to_have_value("print('hi')\n")


async def test_a_page_of_another_site_gets_nothing_through_a_name_that_leads_here(browser, system):
    """After DNS rebinding a page is of the same origin as the gateway by its name, and is still refused."""
    context = await browser.new_context()
    page = await context.new_page()
    try:
        opened = await page.goto(f"http://{FOREIGN_HOST}:{system.port}/")
        assert opened.status == 400
        assert await page.locator("script").count() == 0
        heard = await page.evaluate(
            """async () => {
                const asking = {
                    method: "POST",
                    headers: {"Content-Type": "application/json"},
                    body: JSON.stringify({prompt: "rebound"}),
                };
                const answers = [];
                for (const path of ["/chat", "/v1/chat/completions", "/queue"]) {
                    const answer = await fetch(path, path === "/queue" ? {} : asking);
                    answers.push([answer.status, await answer.text()]);
                }
                return answers;
            }"""
        )
        assert [status for status, _ in heard] == [400, 400, 400]
        assert all("STILE_HOSTS" in text for _, text in heard)
    finally:
        await context.close()
    assert "rebound" not in [generation["prompt"] for generation in (await system.model.log())["generations"]]
