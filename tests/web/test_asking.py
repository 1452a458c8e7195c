"""Asking on the page: an answer that appears, a place in the queue, a stop, a refusal."""

import re

import pytest
from playwright.async_api import expect

from harness.parts.gateway import Responder, beat
from harness.processes.wait import until
from stile_runtime.console_client import ConsoleClient

pytestmark = pytest.mark.asyncio(loop_scope="session")

BANNED = "what the fuck"


async def running(system):
    """Tell how many generations the model is at."""
    return sum(entry["outcome"] == "running" for entry in (await system.model.log())["generations"])


async def outcome(system, prompt):
    """Tell how the generation of ``prompt`` has ended."""
    entries = (await system.model.log())["generations"]
    return next((entry["outcome"] for entry in entries if entry["prompt"] == prompt), None)


async def test_an_answer_appears_as_it_is_written(system, chat_page):
    """The first words stand there while the model writes; the counts come with the last."""
    await system.model.speed(tokens=60, token_seconds=0.05)
    await chat_page.ask("Why is the sky blue?")
    await chat_page.is_writing()
    assert await running(system) == 1
    await expect(chat_page.statistics).to_be_empty()
    await expect(chat_page.page.get_by_role("button", name="Edit")).to_be_hidden()
    await chat_page.is_over()
    await expect(chat_page.answer).to_contain_text("echo: Why is the sky blue? word")
    await expect(chat_page.statistics).to_have_text(re.compile(r"^60 tokens · \d+(\.\d)? tokens/s$"))
    await expect(chat_page.send).to_be_visible()


async def test_stopping_frees_the_model(system, chat_page):
    """The stop button ends the generation; what was written stays, and the next question is answered."""
    await system.model.speed(tokens=4000, token_seconds=0.02)
    await chat_page.ask("Stop me")
    await chat_page.is_writing()
    await chat_page.stop.click()
    await until(lambda: outcome_is(system, "Stop me", "cancelled"), what="the model has let go")
    assert any(request.method == "DELETE" for request in chat_page.requests), "it is cancelled by its id"
    await expect(chat_page.answer).to_contain_text("echo: Stop me")
    await expect(chat_page.notice).to_have_text("Stopped.")
    await system.model.speed(tokens=3, token_seconds=0)
    await chat_page.ask_and_hear("Next")
    await expect(chat_page.answer).to_have_text("echo: Next word word")


async def outcome_is(system, prompt, expected):
    return await outcome(system, prompt) == expected


async def test_the_second_of_two_tabs_waits_and_says_so(system, open_chat_page):
    """While one tab is answered, the other one shows that it waits; then it is answered too."""
    await system.model.speed(tokens=4000, token_seconds=0.02)
    first = await open_chat_page(system.url)
    second = await open_chat_page(system.url, beside=first)
    await first.ask("A long one")
    await first.is_writing()
    await system.model.speed(tokens=3, token_seconds=0)
    await second.ask("A short one")
    await expect(second.status).to_have_text(re.compile("^1 before you"))
    await expect(second.answer).to_be_hidden()
    await first.stop.click()
    await second.is_over()
    await expect(second.answer).to_have_text("echo: A short one word word")


async def test_leaving_the_queue_gives_the_place_free(system, open_chat_page):
    """A question that is stopped while it waits never reaches the model."""
    await system.model.speed(tokens=4000, token_seconds=0.02)
    first = await open_chat_page(system.url)
    second = await open_chat_page(system.url, beside=first)
    await first.ask("I am at it")
    await first.is_writing()
    await second.ask("I will not wait")
    await expect(second.status).to_have_text(re.compile("before you|Waiting"))
    await second.page.keyboard.press("Escape")
    await expect(second.notice).to_have_text("Stopped before it began.")
    await first.stop.click()
    await system.model.speed(tokens=3, token_seconds=0)
    await second.ask_and_hear("Now")
    assert await outcome(system, "I will not wait") is None


async def test_a_hold_of_the_queue_is_said(system, chat_page):
    """The question keeps its place; it is answered after the owner has resumed the queue."""
    console = ConsoleClient(await system.bus.connect("console"))
    await console.hold()
    try:
        await chat_page.ask("Not now")
        await expect(chat_page.status).to_contain_text("The queue is on hold")
    finally:
        await console.resume()
    await chat_page.is_over()
    await expect(chat_page.answer).to_have_text("echo: Not now word word")


async def test_a_refusal_is_shown_and_left_out_from_then_on(chat_page):
    """It is told apart from an answer, and neither it nor its question is in the next request."""
    await chat_page.ask_and_hear("Hello")
    await chat_page.ask_and_hear(BANNED)
    await expect(chat_page.notice).to_contain_text("Refused: profanity")
    await expect(chat_page.notice).to_contain_text("This request can't be answered here.")
    await chat_page.ask_and_hear("And now?")
    await expect(chat_page.answer).to_have_text("echo: And now? word word")
    assert chat_page.asked[-1]["messages"] == [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "echo: Hello word word"},
    ]


async def test_a_part_that_is_refused_later_is_left_out_too(open_chat_page, system):
    """Where the filter finds fault with an earlier exchange, that one goes, and asking again works."""
    chat_page = await open_chat_page(system.url)
    await chat_page.ask_and_hear("Hello")
    await chat_page.page.evaluate(
        """(banned) => {
          const key = Object.keys(localStorage).find((key) => key.startsWith("stile.conversation."));
          const kept = JSON.parse(localStorage.getItem(key));
          kept.exchanges[0].answer.text = banned;
          localStorage.setItem(key, JSON.stringify(kept));
        }""",
        BANNED,  # as if the policy had changed since
    )
    await chat_page.page.reload()
    await chat_page.ask_and_hear("And now?")
    await expect(chat_page.notice).to_contain_text("An earlier part of this conversation is refused")
    await chat_page.page.get_by_role("button", name="Answer again").click()
    await expect(chat_page.answer).to_have_text("echo: And now? word word")
    assert chat_page.asked[-1]["messages"] == []


async def test_an_answer_that_fails_is_said_and_can_be_asked_again(system, chat_page):
    """An error of the model is told with what to do; the same question may be sent again."""
    await system.model.faults(status=500, times=1)
    await chat_page.ask_and_hear("Are you well?")
    await expect(chat_page.notice).to_contain_text("No answer")
    await chat_page.page.get_by_role("button", name="Answer again").click()
    await expect(chat_page.answer).to_have_text("echo: Are you well? word word")
    await expect(chat_page.exchanges).to_have_count(1)


async def test_the_place_in_the_queue_is_said_in_words(open_chat_page, bus_with_gateway):
    """What the filter tells of the place and the wait stands there as a sentence."""
    gateway, filter_, consumer = bus_with_gateway

    async def accept_only(responder, request):
        place = {"position": 2, "estimate_seconds": 20.4}
        await responder.say(request, "accepted", 0, 0, id=request.headers["Chat-Id"], **place)

    await Responder(filter_, accept_only).start()
    await beat(filter_, "filter")
    await beat(consumer, "consumer")
    chat_page = await open_chat_page(gateway.url)
    await chat_page.ask("When is it my turn?")
    await expect(chat_page.status).to_have_text("2 before you, about 20 s")
    await expect(chat_page.page.locator("#announcer")).to_have_text("2 before you, about 20 s")
    await chat_page.stop.click()


async def test_where_there_is_no_room_it_is_sent_again_by_itself(open_chat_page, bus_with_gateway):
    """A full queue is said with the time until the next try, which the page makes."""
    gateway, filter_, _ = bus_with_gateway

    async def full_at_first(responder, request):
        if len(responder.requests) == 1:
            await responder.fail(request, "client_queue_full", retry_after=2)
        else:
            await responder.whole(request)

    await Responder(filter_, full_at_first).start()
    chat_page = await open_chat_page(gateway.url)
    await chat_page.ask("Is there room?")
    await expect(chat_page.status).to_contain_text("Your question is sent again in about 2 s.")
    await expect(chat_page.answer).to_have_text("blue")
