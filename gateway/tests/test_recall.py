"""What became of a request, asked on a bus in memory."""

import asyncio
from uuid import UUID

import pytest

from harness.processes.wait import until
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import EventKind
from stile_gateway.chat import Chat
from stile_gateway.errors import (
    AcceptTimeoutError,
    BusUnavailableError,
    InternalError,
    NoFilterError,
    RelayedError,
)
from stile_gateway.metrics import Metrics
from stile_gateway.question import Timing

pytestmark = pytest.mark.usefixtures("quick")
CLIENT = "http-127-0-0-1"
ID = UUID("01920000-0000-7000-8000-000000000001")


@pytest.fixture
def chat(fake_bus):
    return Chat(fake_bus, Timing(accept=0.3, answer=0.6), Metrics())


def finds(fake_bus, words, *answers):
    """Answer each look-up with the next of these, and the last ones with the last."""
    fake_bus.on_look_up = lambda inbox, number: inbox.put(words.found(answers[min(number, len(answers)) - 1]))


async def test_each_state_is_told_once_up_to_the_answer(chat, fake_bus, words):
    """It is asked again and again; what has not changed is no news."""
    done = words.done("blue")
    finds(fake_bus, words, words.place(position=1), words.place(position=1), words.started(), done)
    heard = [said async for said in chat.follow(CLIENT, ID, pulse=5)]
    assert [said.event for said in heard] == [EventKind.POSITION, EventKind.STARTED, EventKind.DONE]
    assert heard[-1].body == done.body
    assert fake_bus.looked_up == [(CLIENT, ID)] * 4
    assert fake_bus.inboxes == {}


async def test_an_end_that_is_told_is_asked_for_at_once(chat, fake_bus, words, monkeypatch):
    """Nobody waits for the next look where the bus says that there is something to see."""
    monkeypatch.setattr("stile_gateway.recall.REPEAT_SECONDS", 60)
    finds(fake_bus, words, words.place(position=1), words.done())
    waiting = asyncio.create_task(chat.state(CLIENT, ID, wait=30))
    await until(lambda: fake_bus.looked_up)
    next(iter(fake_bus.inboxes.values())).put(words.settled)
    assert (await waiting).event is EventKind.DONE


async def test_without_waiting_it_is_what_is_known_now(chat, fake_bus, words):
    """One look; after a wait, the latest."""
    finds(fake_bus, words, words.place(position=2), words.place(position=1))
    assert b"2" in (await chat.state(CLIENT, ID, wait=0)).body
    assert len(fake_bus.looked_up) == 1
    finds(fake_bus, words, words.place(position=1))
    assert b": 1" in (await chat.state(CLIENT, ID, wait=0.12)).body


@pytest.mark.parametrize("code", [ErrorCode.CANCELLED, ErrorCode.NOT_FOUND])
async def test_a_stored_error_is_the_answer(chat, fake_bus, words, code):
    """And so is that there is no such request."""
    finds(fake_bus, words, words.error(code))
    with pytest.raises(RelayedError) as raised:
        await chat.state(CLIENT, ID, wait=5)
    assert raised.value.code is code


async def test_a_look_that_failed_is_tried_again(chat, fake_bus, words):
    """What went wrong with looking is not what became of the request."""
    finds(fake_bus, words, words.error(ErrorCode.BUS_UNAVAILABLE), words.done())
    assert (await chat.state(CLIENT, ID, wait=5)).event is EventKind.DONE


async def test_where_nobody_answers_there_is_no_telling(chat, fake_bus, words):
    """Nobody there, somebody silent, no bus, nonsense: each its own error, in time."""
    with pytest.raises(AcceptTimeoutError):
        await chat.state(CLIENT, ID, wait=5)
    fake_bus.on_look_up = lambda inbox, _: inbox.put(words.nobody)
    with pytest.raises(NoFilterError):
        await chat.state(CLIENT, ID, wait=5)
    finds(fake_bus, words, words.event("thinking", 1, 0))
    with pytest.raises(InternalError):
        await chat.state(CLIENT, ID, wait=5)
    fake_bus.connected = False
    with pytest.raises(BusUnavailableError):
        await chat.state(CLIENT, ID, wait=5)


async def test_a_bus_that_is_lost_while_it_waits_is_waited_for(chat, fake_bus, words):
    """Back again, the answer is there."""
    finds(fake_bus, words, words.place(position=1))
    waiting = asyncio.create_task(chat.state(CLIENT, ID, wait=5))
    await until(lambda: fake_bus.looked_up)
    fake_bus.connected = False
    await asyncio.sleep(0.1)  # longer than between two looks
    finds(fake_bus, words, words.done())
    fake_bus.connected = True
    assert (await waiting).event is EventKind.DONE


async def test_a_silent_time_is_told(chat, fake_bus, words):
    """A stream learns every so often that it is alive."""
    finds(fake_bus, words, words.place(position=1))
    heard = []
    async for said in chat.follow(CLIENT, ID, pulse=0.02):
        heard.append(said and said.event)
        if len(heard) == 3:
            break
    assert heard == [EventKind.POSITION, None, None]


async def test_anothers_request_is_looked_up_under_the_askers_own_name(chat, fake_bus, question, words):
    """Though this very gateway holds it."""
    finds(fake_bus, words, words.error(ErrorCode.NOT_FOUND))
    asking = asyncio.create_task(chat.ask(question))
    await until(lambda: fake_bus.published)
    with pytest.raises(RelayedError):
        await chat.state("http-stranger", question.id, wait=0)
    assert fake_bus.looked_up == [("http-stranger", question.id)]
    asking.cancel()
    await asyncio.wait([asking])
