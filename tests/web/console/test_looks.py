"""The console on a phone, in the dark, by keyboard, for a screen reader, and beside another site."""

import asyncio

import pytest
from playwright.async_api import expect

from harness.clients.axe import violations

VIEWS = ("Now", "What happened", "People", "Policy", "Health")
PHONE = {"viewport": {"width": 390, "height": 780}, "is_mobile": True}

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("options", [{}, PHONE, {**PHONE, "color_scheme": "dark"}])
async def test_every_view_fits(open_console, options):
    """No view is wider than the window, in light or dark; wide tables scroll in their own frame."""
    page = await open_console(**options)
    for view in VIEWS:
        await page.open(view)
        await expect(page.page.locator("#trouble")).to_be_hidden()
        assert await page.sideways() <= 0, view


async def test_each_view_is_reached_by_the_keyboard(open_console):
    """The first Tab is the link that skips the menu; each view follows with one more."""
    page = await open_console()
    await expect(page.heading).to_have_text("Now")
    for number, view in enumerate(VIEWS, 2):
        await page.page.evaluate("document.activeElement?.blur(); document.body.focus()")
        await page.page.evaluate("getSelection().removeAllRanges(); document.querySelector('.skip').focus()")
        for _ in range(number - 1):
            await page.page.keyboard.press("Tab")
        await page.page.keyboard.press("Enter")
        await expect(page.heading).to_have_text(view)


async def test_every_control_has_a_name(open_console):
    """As Chromium computes it for a screen reader."""
    page = await open_console()
    session = await page.page.context.new_cdp_session(page.page)
    for view in VIEWS:
        await page.open(view)
        await expect(page.page.locator(".view > *").first).to_be_attached()
        tree = await session.send("Accessibility.getFullAXTree")
        roles = {"button", "checkbox", "combobox", "link", "spinbutton", "table", "textbox"}
        nameless = [
            node["role"]["value"]
            for node in tree["nodes"]
            if not node.get("ignored") and node["role"]["value"] in roles and not node["name"]["value"]
        ]
        assert nameless == [], view


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_no_barrier(open_console, console, theme):
    """In both themes: each view, the sheet of keys, a policy with faults, a verdict, and the sign-in."""
    page = await open_console(color_scheme=theme, reduced_motion="reduce")
    for view in VIEWS:
        await page.open(view)
        await expect(page.page.locator(".view > *").first).to_be_attached()
        assert await violations(page.page) == [], view
    await page.open("People")
    await expect(page.page.get_by_label("Address of the chat page")).not_to_have_value("")
    await page.page.get_by_label("Names, one on each line").fill(f"axe-{theme}")
    await page.button("Make the keys").click()
    await expect(page.page.locator(".ticket")).to_have_count(1)
    assert await violations(page.page) == [], "the sheet"
    await page.open("Policy")
    editor = page.page.get_by_role("textbox", name="The policy (YAML)")
    before = await editor.input_value()
    await page.page.get_by_label("What somebody might ask").fill("what the fuck")
    await page.button("Try it with this policy").click()
    await expect(page.table("Each rule")).to_be_visible()
    assert await violations(page.page) == [], "a verdict"
    await editor.fill(f"keywordz: []\n{before}")
    await page.button("Check, and run its tests").click()
    await expect(page.button("Line 1")).to_be_visible()
    assert await violations(page.page) == [], "a fault"
    signed_out = await open_console(console.url, color_scheme=theme, reduced_motion="reduce")
    await expect(signed_out.heading).to_have_text("Sign in")
    assert await violations(signed_out.page) == [], "the sign-in"


async def test_a_page_of_another_origin_gets_nothing(open_console, console):
    """A page of another port of this machine, in the owner's browser, can neither read, nor do, nor frame."""
    page = await open_console()
    await expect(page.heading).to_have_text("Now")
    script = """async (address) => {
        const told = [];
        for (const [method, path] of [["GET", "api/people"], ["PUT", "api/queue/hold"], ["GET", ""]]) {
            for (const mode of ["cors", "no-cors"]) {
                try {
                    const answer = await fetch(`${address}/${path}`, {method, mode, credentials: "include"});
                    told.push(await answer.text());
                } catch { /* as it should be */ }
            }
        }
        return told.filter((text) => text !== "");
    }"""
    async with await asyncio.start_server(_answer, "127.0.0.1", 0) as other:
        blank = await page.page.context.new_page()
        await blank.goto(f"http://127.0.0.1:{other.sockets[0].getsockname()[1]}/")
    assert await blank.evaluate(script, console.url) == []
    await blank.set_content(f"<iframe src='{console.url}/'></iframe>")
    frame = blank.frames[-1]
    assert await frame.locator("#view").count() == 0
    await page.open("People")


async def _answer(reader, writer):
    """Answer as a program on another port of this machine does: with a page of its own."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<p>Another program's page")
    await writer.drain()
    writer.close()
