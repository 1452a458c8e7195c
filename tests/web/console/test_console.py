"""The five things that a teacher does, with the console alone; and who is not let in."""

import re

import pytest
from playwright.async_api import expect

from harness.processes import plain_http
from harness.processes.wait import until
from web.chat_page import ChatPage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def chat(system, prompt, key):
    async with plain_http.client(timeout=120, headers={"Authorization": f"Bearer {key}"}) as client:
        return await client.post(f"{system.url}/chat", json={"prompt": prompt})


async def has_address(page):
    """Wait until the console has told the address of the chat page."""
    await expect(page.page.get_by_label("Address of the chat page")).not_to_have_value("")


async def make_keys(page, *names):
    """Make keys in the form; return them as the sheet shows them."""
    await page.open("People")
    await has_address(page)
    await page.page.get_by_label("Names, one on each line").fill("\n".join(names))
    await page.button("Make the keys").click()
    tickets = page.page.locator(".ticket")
    await expect(tickets).to_have_count(len(names))
    return await tickets.locator("code").all_inner_texts()


async def test_a_link_opens_once_and_leaves_no_token(open_console, console):
    """The token is gone from the address; the same link in another browser opens nothing."""
    link = console.link
    page = await open_console(link)
    await expect(page.heading).to_have_text("Now")
    assert page.page.url == f"{console.url}/"
    await page.page.reload()
    await expect(page.heading).to_have_text("Now")
    other = await open_console(link)
    await expect(other.heading).to_have_text("Sign in")
    await expect(other.page.get_by_role("alert")).to_contain_text("used already")
    assert await other.page.get_by_role("navigation").count() == 0


async def test_another_tab_is_signed_in_and_signing_out_ends_both(open_console, console):
    """A session is the browser's; after signing out the next request of the other tab asks for a new one."""
    page = await open_console()
    other = await page.page.context.new_page()
    await other.goto(console.url)
    await expect(other.get_by_role("heading", level=1)).to_have_text("Now")
    await page.button("Sign out").click()
    await expect(page.heading).to_have_text("Sign in")
    await expect(other.get_by_role("heading", level=1)).to_have_text("Sign in")


async def test_keys_for_a_class_are_handed_out(open_console, open_chat_page, console_system):
    """Thirty names are filled in; the sheet has a QR code for each, and a key of it opens the chat page."""
    page = await open_console()
    await page.open("People")
    await has_address(page)
    await page.page.get_by_label("Begins with").fill("class")
    await page.button("Fill in").click()
    await page.button("Make the keys").click()
    tickets = page.page.locator(".ticket")
    await expect(tickets).to_have_count(30)
    await expect(tickets.first).to_contain_text("class-01")
    await expect(page.page.get_by_role("img", name=re.compile("^QR code of"))).to_have_count(30)
    key = await tickets.first.locator("code").inner_text()

    async def is_known():
        return (await chat(console_system, "Hello", key)).status_code == 200

    await until(is_known, within=30, what="the gateway knows the key")
    pupil: ChatPage = await open_chat_page(f"{console_system.url}/#key={key}")
    await pupil.ask_and_hear("Hello")
    await expect(pupil.answer).to_contain_text("echo:")
    await page.button("Close the sheet").click()
    await expect(tickets).to_have_count(0)
    await expect(
        page.table("Clients").get_by_role("row", name=re.compile("class-01 2 requests"))
    ).to_be_visible()


async def test_a_word_is_blocked_and_seen_to_be_blocked(open_console, console_system):
    """A fault is marked by its line; the mended policy is tried and applied; the refusal is shown."""
    page = await open_console()
    (key,) = await make_keys(page, "word-tester")
    await page.open("Policy")
    editor = page.page.get_by_role("textbox", name="The policy (YAML)")
    await expect(editor).to_have_value(re.compile("keywords:"))
    before = await editor.input_value()
    bad = before.replace("keywords:\n", "keywords:\n- {id: zebras, category: animals, phrazes: [zebra]}\n", 1)
    await editor.fill(bad)
    await page.button("Apply").click()
    await expect(page.said).to_contain_text("Nothing is changed")
    line = bad[: bad.index("- {id: zebras")].count("\n") + 1
    await expect(page.button(f"Line {line}")).to_be_visible()
    await page.button(f"Line {line}").click()
    assert "zebras" in await editor.evaluate("(box) => box.value.slice(box.selectionStart, box.selectionEnd)")

    await editor.fill(bad.replace("phrazes", "phrases"))
    await page.page.get_by_label("What somebody might ask").fill("Do you like a z e b r a ?")
    await page.button("Try it with this policy").click()
    rule = page.table("Each rule").get_by_role("row").nth(1)
    await expect(rule).to_contain_text("zebras")
    await expect(rule).to_contain_text("refuses it")
    await page.button("Apply").click()
    await expect(page.page.get_by_text("Applied: the filter judges by this policy now.")).to_be_visible()
    assert (await chat(console_system, "A zebra, please", key)).json()["refused"]

    await page.open("What happened")
    await page.page.get_by_label("Rule").select_option("zebras")
    first = page.table("What happened").get_by_role("row").nth(1)
    await expect(first).to_contain_text("word-tester")
    await expect(first).to_contain_text("refused")
    assert "A zebra, please" not in await page.page.content()


async def test_a_runaway_is_stopped(open_console, open_chat_page, console_system):
    """It is cancelled from the list, and its sender's page says so; then the queue is held and resumed."""
    page = await open_console()
    (key,) = await make_keys(page, "runaway")

    async def is_known():
        return (await chat(console_system, "Hello", key)).status_code == 200

    await until(is_known, within=30, what="the gateway knows the key")
    await console_system.model.speed(tokens=10_000, token_seconds=0.05)
    try:
        pupil = await open_chat_page(f"{console_system.url}/#key={key}")
        await pupil.ask("Tell everything")
        await pupil.is_writing()
        await page.open("Now")
        await page.button("Cancel the request of runaway").click()
        await page.button("Cancel the request").click()
        await expect(page.said).to_contain_text("is cancelled")
        await pupil.is_over()
    finally:
        await console_system.model.speed(tokens=3, token_seconds=0)
    await page.button("Hold the queue").click()
    await expect(page.page.get_by_text("The queue is on hold: nothing more is started.")).to_be_visible()
    await pupil.ask("Are you there?")
    await expect(page.page.get_by_role("heading", name="Waiting: 1")).to_be_visible()
    await page.button("Resume").click()
    await pupil.is_over()
    await expect(page.page.get_by_role("heading", name="Waiting: 0")).to_be_visible()


async def test_one_pupils_limit_is_changed_and_a_key_revoked(open_console, console_system):
    """By the keyboard alone; the gateway knows it within seconds."""
    page = await open_console()
    key, gone = await make_keys(page, "limited", "revoked")
    await page.button("Change the limits of limited").focus()
    await page.page.keyboard.press("Enter")
    await page.page.keyboard.press("Tab")
    await page.page.keyboard.press("Tab")
    await page.page.keyboard.type("1")
    await page.page.keyboard.press("Enter")
    row = page.table("Clients").get_by_role("row", name=re.compile("^limited"))
    await expect(row).to_contain_text("1 a minute")

    async def is_limited():
        return (await chat(console_system, "Hello", key)).status_code == 429

    await until(is_limited, within=30, what="the limit counts")
    await page.page.get_by_label("Choose revoked").check()
    await page.button("Revoke the chosen keys …").click()
    await page.button("Revoke").click()
    await expect(page.said).to_contain_text("1 key revoked")

    async def is_gone():
        return (await chat(console_system, "Hello", gone)).status_code == 401

    await until(is_gone, within=30, what="the key is revoked")
