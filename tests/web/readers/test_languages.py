"""The page in the user's language: as the browser has it, or as it was chosen."""

import json
import re
from pathlib import Path

import pytest
from playwright.async_api import expect

import stile_gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

GERMAN = {"locale": "de-AT"}
LANGUAGES = Path(stile_gateway.__file__).parent / "page" / "languages"
MARK = "⟦"
"""What the words of the language begin with that the test below makes."""
UNMARKED = """
(mark) => {
  const isRead = (node) => {
    const element = node.nodeType === Node.TEXT_NODE ? node.parentElement : node;
    return !element.closest("script, style, noscript, svg, title, .brand, .asked, .prose, .title, #model, " +
      "[name=language] [lang], [name=model] option + option, #title[lang=''], " +
      ".notice.refused > p:not(.note), #announcer"); // the policy's own words, and the answer read aloud
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const texts = node.nodeType === Node.TEXT_NODE ? [node.data]
      : ["aria-label", "title", "placeholder"].map((name) => node.getAttribute(name) ?? "");
    for (const text of texts) {
      if (/\\p{L}/u.test(text) && !text.includes(mark) && isRead(node)) found.push(text.trim());
    }
  }
  return found;
}
"""


def loaded(chat_page):
    """Return the languages that it has asked for."""
    return {Path(request.url).stem for request in chat_page.requests if "/languages/" in request.url}


@pytest.mark.parametrize(
    ("locale", "language", "words"),
    [
        ("de-AT", "de", "Neues Gespräch"),
        ("en-GB", "en", "New conversation"),
        ("pl", "en", "New conversation"),
    ],
)
async def test_the_browser_chooses(open_chat_page, system, locale, language, words):
    """The first language of the browser that the page knows, or English. No other one is loaded."""
    chat_page = await open_chat_page(system.url, locale=locale)
    await expect(chat_page.page.locator("#new")).to_have_text(words)
    await expect(chat_page.page.locator("html")).to_have_attribute("lang", language)
    await expect(chat_page.page.locator("html")).to_have_attribute("dir", "ltr")
    assert loaded(chat_page) == {language}


async def test_another_language_is_chosen_in_the_settings(open_chat_page, system):
    """It holds from then on, also while something is being answered, and can be left to the browser again."""
    await system.model.speed(tokens=60, token_seconds=0.05)
    chat_page = await open_chat_page(system.url)
    await chat_page.ask("Go on")
    await chat_page.is_writing()
    await chat_page.page.get_by_role("button", name="Settings …").click()
    language = chat_page.page.get_by_role("combobox", name="Language")
    await expect(language.get_by_role("option")).to_have_text(["As the browser has it", "English", "Deutsch"])
    await language.select_option("Deutsch")
    await chat_page.page.get_by_role("button", name="Save").click()
    await expect(chat_page.page.locator("#new")).to_have_text("Neues Gespräch")
    await expect(chat_page.statistics).to_contain_text("60 Tokens")
    await chat_page.page.reload()
    await expect(chat_page.page.locator("html")).to_have_attribute("lang", "de")
    await chat_page.page.get_by_role("button", name="Einstellungen …").click()
    await chat_page.page.get_by_role("combobox", name="Sprache").select_option("Wie im Browser")
    await chat_page.page.get_by_role("button", name="Speichern").click()
    await expect(chat_page.page.locator("#new")).to_have_text("New conversation")


async def test_a_conversation_in_german(open_chat_page, system):
    """Asking, a refusal, numbers as they are written there, and deleting."""
    chat_page = await open_chat_page(system.url, **GERMAN)
    page = chat_page.page
    await system.model.speed(tokens=1000, token_seconds=0)
    await page.get_by_role("textbox", name="Deine Frage").fill("Hallo")
    await page.get_by_role("button", name="Senden", exact=True).click()
    await chat_page.is_over()
    await expect(chat_page.statistics).to_contain_text(re.compile(r"^1.000 Tokens · "))
    await page.get_by_role("textbox", name="Deine Frage").fill("what the fuck")
    await page.keyboard.press("Enter")
    await expect(chat_page.notice).to_contain_text("Abgelehnt: Schimpfwörter")
    await expect(chat_page.notice).to_contain_text("Das Modell hat es nicht gesehen")
    await page.get_by_role("button", name="„Hallo“ löschen").click()
    await expect(page.get_by_role("dialog")).to_contain_text("„Hallo“ wird aus diesem Browser gelöscht.")
    await page.get_by_role("button", name="Löschen", exact=True).click()
    await expect(page.get_by_text("Deine Gespräche bleiben hier")).to_be_visible()


async def test_an_error_of_the_server_is_said_in_german(system, open_chat_page):
    """By its code, also when it is shown again after a reload."""
    await system.model.faults(status=500, times=1)
    chat_page = await open_chat_page(system.url, **GERMAN)
    await chat_page.page.get_by_role("textbox", name="Deine Frage").fill("Geht es dir gut?")
    await chat_page.page.keyboard.press("Enter")
    for _ in range(2):
        await expect(chat_page.notice).to_contain_text("Keine Antwort")
        await expect(chat_page.notice).to_contain_text("Das Modell")
        await chat_page.page.reload()


async def test_going_on_is_asked_for_in_the_language_of_the_page(system, open_chat_page):
    """The model is asked in it, as it stands in the conversation."""
    await system.model.speed(tokens=400, token_seconds=0)
    chat_page = await open_chat_page(system.url, **GERMAN)
    settings = {"length": "short"}
    await chat_page.page.evaluate(
        "(settings) => localStorage.setItem('stile.settings', JSON.stringify(settings))", settings
    )
    await chat_page.page.reload()
    await chat_page.page.get_by_role("textbox", name="Deine Frage").fill("Erzähl etwas")
    await chat_page.page.keyboard.press("Enter")
    await expect(chat_page.notice).to_contain_text("Abgeschnitten")
    await chat_page.page.get_by_role("button", name="Weiterschreiben").click()
    await expect(chat_page.questions.last).to_have_text("Schreib da weiter, wo du aufgehört hast.")
    await chat_page.is_over()
    assert chat_page.asked[-1]["prompt"] == "Schreib da weiter, wo du aufgehört hast."


async def test_no_words_stand_outside_the_languages(system, open_chat_page):
    """If all words of the language are marked, nothing that is read has no mark, in each state."""
    chat_page = await open_chat_page("about:blank", locale="en-GB")  # there are no letters in its times
    page = chat_page.page
    english = (LANGUAGES / "en.js").read_text()
    marked = re.sub(r'((?:^|[{,])\s*(?:"[^"\n]+"|\w+):\s+")', rf"\1{MARK}", english, flags=re.MULTILINE)
    assert marked.count(MARK) > 150

    async def answer(route):
        await route.fulfill(body=marked, content_type="text/javascript; charset=utf-8")

    async def all_is_marked(what):
        assert await page.evaluate(UNMARKED, MARK) == [], what

    await page.route("**/languages/en.js", answer)
    await page.goto(system.url)
    await expect(page.locator("#model")).to_have_text("standin")
    await all_is_marked("empty")
    await system.model.speed(tokens=4000, token_seconds=0.02)
    question = "|a|\n|-|\n|b|\n\n```py\nx\n```"
    await page.locator("#question").fill(question)
    await page.locator("#send").click()
    await all_is_marked("sending")
    await expect(chat_page.answer.locator("pre")).to_be_visible()
    await all_is_marked("answering")
    await page.locator("#stop").click()
    await expect(chat_page.notice).to_be_visible()
    await all_is_marked("stopped")
    await system.model.speed(tokens=3, token_seconds=0)
    for asked in ("what the fuck", "Hello"):
        await page.locator("#question").fill(asked)
        await page.locator("#send").click()
        await chat_page.is_over()
        await all_is_marked(asked)
    await system.model.faults(status=500, times=1)
    await page.locator("#question").fill("An error")
    await page.locator("#send").click()
    await expect(chat_page.notice).to_be_visible()
    await all_is_marked("failed")
    await page.locator(".edit").last.click()
    await all_is_marked("editing")
    for opener in ("#change-settings", "#change-key", "#rename", "#delete-all"):
        await page.locator(opener).click()
        await expect(page.locator("dialog[open]")).to_be_visible()
        await all_is_marked(opener)
        await page.keyboard.press("Escape")
    await page.locator("#search").fill(json.dumps("nothing like this"))
    await all_is_marked("nothing found")
