"""An answer is whole in the end, whatever happens to the page meanwhile; only Stop cancels it."""

import asyncio

import pytest
import pytest_asyncio
from playwright.async_api import expect

from faults.proxy import Proxy
from harness.models.standin import Standin
from harness.parts.policies import unscanned
from harness.parts.system import System
from harness.processes.wait import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

WORDS = 60


def whole(question):
    """Return the stand-in's answer."""
    return f"echo: {question}" + " word" * (WORDS - 1)


@pytest_asyncio.fixture(loop_scope="session")
async def slow_system(system):
    """The shared system, before a model that writes for six seconds."""
    await system.model.speed(tokens=WORDS, token_seconds=0.1)
    return system


async def generations(system, question):
    """Return how each generation for ``question`` has ended."""
    entries = (await system.model.log())["generations"]
    return [entry["outcome"] for entry in entries if entry["prompt"] == question]


async def is_whole(chat_page, question):
    """Wait until the page shows the whole answer, as one that has ended well."""
    await expect(chat_page.answer).to_have_text(whole(question))
    await chat_page.is_over()
    await expect(chat_page.statistics).to_contain_text(f"{WORDS} tokens")
    await expect(chat_page.notice).to_be_hidden()


async def test_a_reload_in_mid_answer(slow_system, chat_page):
    """What was written stands there at once, the rest comes as it is written, from one generation."""
    await chat_page.ask("Reload me")
    await chat_page.is_writing()
    await chat_page.page.reload()
    await expect(chat_page.answer).to_contain_text("echo:")
    await expect(chat_page.stop).to_be_visible()
    await is_whole(chat_page, "Reload me")
    assert len(chat_page.asked) == 1
    assert await generations(slow_system, "Reload me") == ["done"]


async def test_pieces_come_live_after_a_reload(slow_system, chat_page):
    """The reader sees the answer grow; it does not come all at the end."""
    await chat_page.ask("Grow")
    await chat_page.is_writing()
    await chat_page.page.reload()
    lengths = set()

    async def grows():
        lengths.add(len(await chat_page.answer.text_content() or ""))
        return len(lengths) > 3

    await until(grows, what="the answer grows")
    assert await generations(slow_system, "Grow") == ["running"]
    await is_whole(chat_page, "Grow")


async def test_a_closed_tab_that_is_opened_again(slow_system, open_chat_page):
    """Nobody listens for a while; the next tab has the whole answer."""
    first = await open_chat_page(slow_system.url)
    await first.ask("Close me")
    await first.is_writing()
    second = await open_chat_page("about:blank", beside=first)
    await first.page.close()

    async def is_done():
        return await generations(slow_system, "Close me") == ["done"]

    await until(is_done, what="the model has written it to its end")
    await second.page.goto(slow_system.url)
    await second.conversations.get_by_role("button").first.click()
    await is_whole(second, "Close me")


async def test_another_tab_shows_the_same_answer(slow_system, open_chat_page):
    """A second tab that opens the conversation follows the answer, and can stop it for both."""
    first = await open_chat_page(slow_system.url)
    await first.ask("Both")
    await first.is_writing()
    second = await open_chat_page(slow_system.url, beside=first)
    await second.conversations.get_by_role("button").first.click()
    await second.is_writing()
    await second.stop.click()
    await expect(second.notice).to_have_text("Stopped.")
    await expect(first.notice).to_have_text("Stopped.")
    assert await generations(slow_system, "Both") == ["cancelled"]


@pytest_asyncio.fixture(loop_scope="session")
async def network(slow_system):
    """The network between the page and the gateway."""
    proxy = await Proxy(slow_system.port).start()
    yield proxy
    await proxy.stop()


async def test_a_lost_connection(slow_system, network, open_chat_page):
    """The page says so, and has the rest when the network is back."""
    chat_page = await open_chat_page(f"http://127.0.0.1:{network.port}")
    await chat_page.ask("Lose me")
    await chat_page.is_writing()
    network.cut()
    await expect(chat_page.status).to_contain_text("The connection is lost.")
    await network.mend()
    await is_whole(chat_page, "Lose me")
    assert await generations(slow_system, "Lose me") == ["done"]


async def test_a_connection_that_died_in_silence(slow_system, network, open_chat_page):
    """No error reports it, as after a phone's sleep: the page notices the silence."""
    chat_page = await open_chat_page(f"http://127.0.0.1:{network.port}")
    await chat_page.ask("Sleep")
    await chat_page.is_writing()
    network.hold()
    await expect(chat_page.status).to_contain_text("The connection is lost.", timeout=60_000)
    network.cut()
    await network.mend()
    await is_whole(chat_page, "Sleep")
    assert await generations(slow_system, "Sleep") == ["done"]


async def test_a_question_that_is_stopped_before_it_has_a_name(slow_system, chat_page):
    """Stop holds even if it comes before Stile's first event."""
    stopped = asyncio.Event()

    async def hold_back(route):
        await stopped.wait()
        await route.continue_()

    await chat_page.page.route("**/chat", hold_back)
    await chat_page.ask("Stop early")
    await chat_page.stop.click()
    await expect(chat_page.notice).to_have_text("Stopped before it began.")
    stopped.set()

    async def is_free():
        return "running" not in await generations(slow_system, "Stop early") and any(
            request.method == "DELETE" for request in chat_page.requests
        )

    await until(is_free, what="the request is cancelled")
    assert "done" not in await generations(slow_system, "Stop early")


@pytest_asyncio.fixture(loop_scope="session")
async def own_system(browser, tmp_path):  # noqa: ARG001 -- no system without a browser
    """A system whose gateway may be killed."""
    model = await Standin(tmp_path, tokens=WORDS, token_seconds=0.1).start()
    system = await System(tmp_path, model, settings=unscanned(tmp_path)).start()
    yield system
    await system.stop()


async def test_a_gateway_that_dies_in_mid_answer(open_chat_page, own_system):
    """The next gateway has the rest: one generation, every word once."""
    chat_page = await open_chat_page(own_system.url)
    await chat_page.ask("Kill it")
    await chat_page.is_writing()
    own_system.parts["gateway"].kill()
    await expect(chat_page.status).to_contain_text("The connection is lost.")
    await expect(chat_page.answer).to_contain_text("echo:")
    own_system.start_part("gateway")
    await is_whole(chat_page, "Kill it")
    assert await generations(own_system, "Kill it") == ["done"]


async def test_pieces_come_live_from_the_next_gateway(open_chat_page, own_system):
    """The reader sees the answer grow again; it does not come all at the end."""
    await own_system.model.speed(tokens=4 * WORDS, token_seconds=0.1)
    chat_page = await open_chat_page(own_system.url)
    await chat_page.ask("Grow again")
    await chat_page.is_writing()
    own_system.parts["gateway"].kill()
    await expect(chat_page.status).to_contain_text("The connection is lost.")
    own_system.start_part("gateway")
    lengths = set()

    async def grows():
        lengths.add(len(await chat_page.answer.text_content() or ""))
        return len(lengths) > 4

    await until(grows, what="the answer grows again")
    assert await generations(own_system, "Grow again") == ["running"]
    await chat_page.stop.click()


async def test_a_gateway_that_dies_while_the_page_is_away(open_chat_page, own_system):
    """Reload and restart together."""
    chat_page = await open_chat_page(own_system.url)
    await chat_page.ask("Both at once")
    await chat_page.is_writing()
    await chat_page.page.goto("about:blank")
    own_system.parts["gateway"].kill()
    own_system.start_part("gateway")
    await own_system.ready()
    await chat_page.page.goto(own_system.url)
    await is_whole(chat_page, "Both at once")
