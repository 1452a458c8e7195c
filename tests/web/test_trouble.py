"""What keeps Stile from answering is said on the page, and it recovers by itself."""

import pytest
import pytest_asyncio
from playwright.async_api import expect

from harness.models.standin import Standin
from harness.parts.policies import unscanned
from harness.parts.system import System
from harness.processes.wait import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own_system(browser, tmp_path_factory):  # noqa: ARG001 -- no system without a browser
    """A system whose parts may be ended; each test brings back what it has ended."""
    folder = tmp_path_factory.mktemp("trouble")
    system = await System(folder, await Standin(folder).start(), settings=unscanned(folder)).start()
    yield system
    await system.stop()


async def test_a_bus_that_is_down_is_said_and_the_question_is_kept(open_chat_page, own_system):
    """Which part is down, that the question waits for it; it is sent once the bus is back."""
    chat_page = await open_chat_page(own_system.url)
    await expect(chat_page.trouble).to_be_hidden()
    own_system.bus.kill()
    await chat_page.ask("Are you there?")
    await expect(chat_page.status).to_contain_text("Your question is sent as soon as Stile is ready.")
    await expect(chat_page.trouble).to_contain_text("The message bus is not ready: not connected.")
    await own_system.bus.start()
    await expect(chat_page.answer).to_have_text("echo: Are you there? word word")
    await expect(chat_page.trouble).to_be_hidden()


async def test_a_model_that_is_loading_is_said(open_chat_page, own_system):
    """The model is named as what is missing, with the reason, until it is there."""
    await own_system.model.faults(loading=True)
    chat_page = await open_chat_page(own_system.url)
    await expect(chat_page.trouble).to_contain_text("The model is not ready: ")
    await expect(chat_page.trouble).not_to_contain_text("The filter")
    await own_system.model.faults()
    await expect(chat_page.trouble).to_be_hidden()


async def test_a_gateway_that_is_away_is_said_and_the_question_is_kept(open_chat_page, own_system):
    """The page outlives the gateway that it came from, and goes on with the next one."""
    chat_page = await open_chat_page(own_system.url)
    await expect(chat_page.page.locator("#model")).to_have_text("standin")
    own_system.parts["gateway"].kill()
    await chat_page.ask("Are you there?")
    await expect(chat_page.trouble).to_contain_text("Stile does not answer")
    own_system.start_part("gateway")
    await expect(chat_page.answer).to_have_text("echo: Are you there? word word")
    await expect(chat_page.trouble).to_be_hidden()


async def test_a_key_is_asked_for_when_the_page_opens(open_chat_page, locked_system):
    """Before anybody writes a question; a wrong key is called wrong, and the right one is kept."""
    chat_page = await open_chat_page(locked_system.url)
    dialog = chat_page.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("You need a key to ask here.")
    key = chat_page.page.get_by_role("textbox", name="API key")
    await key.fill("sk-wrong")
    await chat_page.page.keyboard.press("Enter")
    await expect(dialog).to_contain_text("This key is not known here.")
    await expect(key).to_have_value("sk-wrong")
    await key.fill("sk-right")
    await chat_page.page.get_by_role("button", name="Use it").click()
    await expect(chat_page.page.locator("#model")).to_have_text("standin")
    await chat_page.ask_and_hear("May I?")
    await chat_page.page.reload()
    await chat_page.ask_and_hear("And again?")
    await expect(chat_page.answer).to_have_text("echo: And again? word word")
    await expect(dialog).to_have_count(0)


async def test_a_question_without_a_key_waits_for_it(open_chat_page, locked_system):
    """A reader who closes the box can read on. A question asks for the key again, and is sent with it."""
    chat_page = await open_chat_page(locked_system.url)
    await chat_page.page.get_by_role("button", name="Cancel").click()
    await chat_page.ask("May I?")
    await chat_page.page.get_by_role("textbox", name="API key").fill("sk-right")
    await chat_page.page.get_by_role("button", name="Use it").click()
    await expect(chat_page.answer).to_have_text("echo: May I? word word")


async def test_a_question_without_a_key_says_what_to_do(open_chat_page, locked_system):
    """In the page's words, not in those of the API."""
    chat_page = await open_chat_page(locked_system.url)
    await chat_page.page.get_by_role("button", name="Cancel").click()
    await chat_page.ask("May I?")
    await chat_page.page.get_by_role("button", name="Cancel").click()
    await expect(chat_page.notice).to_contain_text("You need a key to ask here.")
    await expect(chat_page.notice).not_to_contain_text("Authorization")


async def test_a_link_carries_the_key(open_chat_page, locked_system):
    """It is kept, and no longer stands in the address."""
    chat_page = await open_chat_page(f"{locked_system.url}/#key=sk-right")
    await expect(chat_page.page).to_have_url(f"{locked_system.url}/")
    await chat_page.ask_and_hear("By a link")
    await expect(chat_page.answer).to_have_text("echo: By a link word word")


async def test_a_filter_that_is_away_is_said_at_once(open_chat_page, own_system):
    """If no part takes a question, the page checks at once which part is missing."""
    chat_page = await open_chat_page(own_system.url)
    await expect(chat_page.page.locator("#model")).to_have_text("standin")
    own_system.parts["filter"].kill()
    await chat_page.ask("Is there a filter?")
    await expect(chat_page.trouble).to_contain_text("The filter", timeout=8_000)
    own_system.start_part("filter")
    await expect(chat_page.answer).to_have_text("echo: Is there a filter? word word", timeout=60_000)


async def test_what_is_left_of_a_minute_is_shown(open_chat_page, locked_system):
    """Of a key that has such a limit, and of no other."""
    chat_page = await open_chat_page(f"{locked_system.url}/#key=sk-few")
    left = chat_page.page.locator(".left")
    await expect(left).to_have_text("20 of 20 questions left this minute")
    await chat_page.ask_and_hear("One less?")
    await expect(left).to_have_text("19 of 20 questions left this minute")
    other = await open_chat_page(f"{locked_system.url}/#key=sk-right")
    await expect(other.page.locator("#model")).to_have_text("standin")
    await expect(other.page.locator(".left")).to_be_hidden()


async def test_what_the_page_will_do_is_said(open_chat_page, own_system):
    """Without a model a question waits in Stile's queue; without a filter the page keeps it."""
    await own_system.model.faults(loading=True)
    chat_page = await open_chat_page(own_system.url)
    await expect(chat_page.trouble).to_contain_text("What you ask waits in Stile's queue")
    await own_system.model.faults()
    await expect(chat_page.trouble).to_be_hidden()
    own_system.parts["filter"].kill()
    await chat_page.ask("Who keeps it?")
    await expect(chat_page.trouble).to_contain_text("What you ask is kept in this page")
    own_system.start_part("filter")
    await expect(chat_page.answer).to_have_text("echo: Who keeps it? word word", timeout=60_000)


async def test_a_worker_that_dies_while_a_question_waits_is_said(open_chat_page, own_system):
    """The page looks again and again while it hears nothing, and has the answer in the end."""
    chat_page = await open_chat_page(own_system.url)
    await expect(chat_page.page.locator("#model")).to_have_text("standin")
    own_system.parts["consumer"].kill()
    await chat_page.ask("Is there a worker?")
    await expect(chat_page.trouble).to_contain_text("The model is not there yet.")
    own_system.start_part("consumer")
    await expect(chat_page.answer).to_have_text("echo: Is there a worker? word word", timeout=60_000)
    await expect(chat_page.trouble).to_be_hidden()


async def test_a_part_that_is_away_is_said_while_the_question_is_written(open_chat_page, own_system):
    """Whoever writes knows it before the question is sent."""
    chat_page = await open_chat_page(own_system.url)
    await expect(chat_page.page.locator("#model")).to_have_text("standin")
    own_system.bus.kill()

    async def is_said():
        await chat_page.box.press_sequentially("x")
        return await chat_page.trouble.is_visible()

    await until(is_said, within=10, what="the page says it")
    await own_system.bus.start()
    await expect(chat_page.trouble).to_be_hidden()


async def test_trouble_in_german(open_chat_page, own_system):
    """What is missing, and what the page does about it."""
    await own_system.model.faults(loading=True)
    chat_page = await open_chat_page(own_system.url, locale="de-DE")
    await expect(chat_page.trouble).to_contain_text("Stile kann noch nicht antworten")
    await expect(chat_page.trouble).to_contain_text("Das Modell ist nicht bereit: ")
    await expect(chat_page.trouble).to_contain_text("Was du fragst, wartet in der Schlange von Stile")
    await own_system.model.faults()
    await expect(chat_page.trouble).to_be_hidden()


async def test_a_wrong_key_is_said_in_german(open_chat_page, locked_system):
    """When the page opens, and after a wrong one."""
    chat_page = await open_chat_page(f"{locked_system.url}/#key=sk-wrong", locale="de-DE")
    dialog = chat_page.page.get_by_role("dialog", name="API-Schlüssel")
    await expect(dialog).to_contain_text("Dieser Schlüssel ist hier nicht bekannt.")
    await chat_page.page.get_by_role("textbox", name="API-Schlüssel").fill("sk-right")
    await chat_page.page.get_by_role("button", name="Übernehmen").click()
    await expect(chat_page.page.locator("#model")).to_have_text("standin")
