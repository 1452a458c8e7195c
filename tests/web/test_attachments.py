"""Text files that go with a question: chosen, dropped or pasted, checked, sent as text, and kept."""

import json

import pytest
from playwright.async_api import expect

from harness.nats.bus import Bus
from harness.parts.gateway import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOTES = {"name": "notes.txt", "mimeType": "text/plain", "buffer": "Zürich\r\nnext ```line\n".encode()}
SENT = "`notes.txt`\n````\nZürich\nnext ```line\n````"
TRANSFER = """([kind, name, text]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([text], name, { type: "text/plain" }));
  if (kind === "drop") {
    const target = document.getElementById("welcome");
    for (const type of ["dragover", "drop"]) {
      target.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }
  } else {
    const event = new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true });
    document.getElementById("question").dispatchEvent(event);
  }
}"""


def attached(chat_page):
    return chat_page.page.locator("#composer .attachments li")


def problem(chat_page):
    return chat_page.page.get_by_role("alert")


async def attach(chat_page, *files):
    """Choose files as a user does."""
    async with chat_page.page.expect_file_chooser() as chooser:
        await chat_page.page.get_by_role("button", name="Attach text files").click()
    await (await chooser.value).set_files(list(files))


async def test_a_file_goes_with_the_question(chat_page):
    """As text with its name, in a fence that its own text cannot end; in the transcript it is folded away."""
    await attach(chat_page, NOTES)
    await expect(attached(chat_page)).to_have_text("notes.txt21 B")
    await chat_page.ask_and_hear("What is this?")
    assert chat_page.asked[-1]["prompt"] == f"{SENT}\n\nWhat is this?"
    await expect(attached(chat_page)).to_have_count(0)
    file = chat_page.questions.locator("details")
    await expect(file).not_to_have_attribute("open", "")
    await expect(file.locator("summary")).to_have_text("notes.txt21 B")
    await expect(file.locator("pre")).to_be_hidden()
    await file.locator("summary").click()
    await expect(file.locator("pre")).to_have_text("Zürich\nnext ```line")
    await chat_page.page.reload()
    await chat_page.ask_and_hear("And now?")
    assert chat_page.asked[-1]["messages"][0]["content"] == f"{SENT}\n\nWhat is this?"


@pytest.mark.parametrize("kind", ["drop", "paste"])
async def test_a_file_is_dropped_or_pasted(chat_page, kind):
    """Dropped anywhere on the page; it alone is a question too."""
    await expect(chat_page.page.locator("#model")).not_to_be_empty()  # its scripts run
    await chat_page.page.evaluate(TRANSFER, [kind, "list.csv", "a,b\n1,2\n"])
    await expect(attached(chat_page)).to_contain_text("list.csv")
    await chat_page.send.click()
    await chat_page.is_over()
    assert chat_page.asked[-1]["prompt"] == "`list.csv`\n```\na,b\n1,2\n```"
    await expect(chat_page.page.locator("#title")).to_have_text("list.csv")


async def test_a_file_is_removed_before_it_is_sent(chat_page):
    """By its button; the others stay."""
    await attach(chat_page, NOTES, {**NOTES, "name": "other.txt"})
    await chat_page.page.get_by_role("button", name="Remove “notes.txt”").click()
    await expect(attached(chat_page)).to_have_count(1)
    await chat_page.ask_and_hear("What is this?")
    assert "notes.txt" not in chat_page.asked[-1]["prompt"]
    assert "other.txt" in chat_page.asked[-1]["prompt"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "is not text"),
        (b"%PDF-1.7\n\xe2\xe3\xcf\xd3", "is not text"),
        ("Zürich".encode("latin-1"), "is not in UTF-8"),
        (b"", "is empty"),
        (b"x" * 1_100_000, "is too large: it has 1.1 MB, and there is room for 1 MB"),
    ],
    ids=["picture", "pdf", "encoding", "empty", "large"],
)
async def test_a_file_that_cannot_be_attached_is_named(chat_page, content, said):
    """With the reason; a good one beside it is attached, and the next choice clears the message."""
    bad = {"name": "bad.bin", "mimeType": "application/octet-stream", "buffer": content}
    await attach(chat_page, bad, NOTES)
    await expect(problem(chat_page)).to_contain_text(f"“bad.bin” {said}")
    await expect(attached(chat_page)).to_have_count(1)
    await chat_page.page.get_by_role("button", name="Remove “notes.txt”").click()
    await expect(problem(chat_page)).to_be_hidden()
    await expect(chat_page.send).to_be_disabled()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
async def test_other_encodings_that_say_what_they_are(chat_page, encoding):
    """As some editors write them; the mark at the beginning is no part of the text."""
    await attach(chat_page, {**NOTES, "buffer": "Grüße".encode(encoding)})
    await chat_page.send.click()
    await chat_page.is_over()
    assert chat_page.asked[-1]["prompt"] == "`notes.txt`\n```\nGrüße\n```"


async def test_several_files_have_the_room_of_one_request(chat_page):
    """The second one does not fit beside the first; what was attached is answered."""
    half = {**NOTES, "buffer": b"word " * 120_000}
    await attach(chat_page, half, {**half, "name": "second.txt"})
    await expect(problem(chat_page)).to_contain_text("“second.txt” is too large: it has 600 kB")
    await expect(attached(chat_page)).to_have_count(1)


async def test_a_gateway_with_smaller_limits(open_chat_page, tmp_path):
    """Its own limits count; here that of letters."""
    gateway = await Gateway(Bus(tmp_path), tmp_path, STILE_MAX_PROMPT_CHARS="100").start()
    try:
        chat_page = await open_chat_page(gateway.url)
        await attach(chat_page, {**NOTES, "name": "long.txt", "buffer": b"x" * 101}, NOTES)
        await expect(problem(chat_page)).to_contain_text("“long.txt” is too large")
        await expect(problem(chat_page)).to_contain_text("there is room for 100 B")
        await expect(attached(chat_page)).to_have_count(1)
    finally:
        await gateway.stop()


async def test_what_is_attached_outlasts_a_reload(chat_page):
    """As the text does that is not sent."""
    await attach(chat_page, NOTES)
    await chat_page.box.fill("Half a thou")
    await chat_page.page.reload()
    await expect(attached(chat_page)).to_contain_text("notes.txt")
    await chat_page.box.fill("A whole one")
    await chat_page.send.click()
    await chat_page.is_over()
    assert chat_page.asked[-1]["prompt"] == f"{SENT}\n\nA whole one"
    await chat_page.page.reload()
    await expect(attached(chat_page)).to_have_count(0)


async def test_a_file_stays_with_an_edited_question(chat_page):
    """It can be removed there too."""
    await attach(chat_page, NOTES, {**NOTES, "name": "other.txt"})
    await chat_page.ask_and_hear("One")
    await chat_page.page.get_by_role("button", name="Edit", exact=True).click()
    await chat_page.page.get_by_role("button", name="Remove “other.txt”").click()
    await chat_page.page.get_by_role("textbox", name="Edit the question").fill("Two")
    await chat_page.page.get_by_role("button", name="Send again").click()
    await chat_page.is_over()
    assert chat_page.asked[-1]["prompt"] == f"{SENT}\n\nTwo"


async def test_a_file_is_checked_as_all_text(chat_page):
    """A refused word in a file refuses the question, as one in the question itself."""
    await attach(chat_page, {**NOTES, "buffer": b"first line\nwhat the fuck\n"})
    await chat_page.ask_and_hear("What is this?")
    await expect(chat_page.notice).to_contain_text("Refused")


async def test_a_conversation_that_is_too_large_for_a_request_goes_on(chat_page):
    """Without its oldest exchanges, as one that is too long for the model."""
    large = {**NOTES, "buffer": b"word " * 110_000}
    for question in ("One", "Two"):
        await attach(chat_page, large)
        await chat_page.ask_and_hear(question)
        await expect(chat_page.answer).to_contain_text("echo:")
    assert [len(asked["messages"]) for asked in chat_page.asked] == [0, 2, 0]


async def test_files_are_exported_and_imported(chat_page, open_chat_page, system):
    """With the conversation that they are in."""
    await attach(chat_page, NOTES)
    await chat_page.ask_and_hear("Take it along")
    async with chat_page.page.expect_download() as download:
        await chat_page.page.get_by_role("button", name="JSON").click()
    file = await (await download.value).path()
    assert "Zürich" in json.loads(file.read_text())["conversations"][0]["exchanges"][0]["files"][0]["text"]
    other = await open_chat_page(system.url)
    async with other.page.expect_file_chooser() as chooser:
        await other.page.get_by_role("button", name="Import …").click()
    await (await chooser.value).set_files(file)
    await other.conversations.get_by_role("button").first.click()
    await expect(other.questions.locator("summary")).to_have_text("notes.txt21 B")
