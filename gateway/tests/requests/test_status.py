"""What became of a request, asked on a bus in memory."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from harness.processes.wait import until
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import EventKind
from stile_gateway.errors import (
    AcceptTimeoutError,
    BusUnavailableError,
    InternalError,
    NoFilterError,
    RelayedError,
)
from stile_gateway.requests.service import RequestService

CLIENT = "http-127-0-0-1"
ID = UUID("01920000-0000-7000-8000-000000000001")


def finds(fake_bus, words, *answers):
    """Answer each look-up with the next of these, and the last ones with the last."""
    fake_bus.on_status = lambda number: words.status(answers[min(number, len(answers)) - 1])


async def test_each_state_is_told_once_up_to_the_answer(service, fake_bus, words):
    """It is asked again and again; what has not changed is no news."""
    done = words.done("blue")
    finds(fake_bus, words, words.position(position=1), words.position(position=1), words.started(), done)
    heard = [event async for event in service.follow(CLIENT, ID, pulse=5)]
    assert [event.kind for event in heard] == [EventKind.POSITION, EventKind.STARTED, EventKind.DONE]
    assert heard[-1].json == done.body
    assert fake_bus.status_requests == [(CLIENT, ID)] * 4
    assert fake_bus.inboxes == {}


async def test_an_end_that_is_told_is_asked_for_at_once(fake_bus, words, metrics, timing):
    """The next status request does not wait if the bus says that the request has finished."""
    service = RequestService(fake_bus, replace(timing, repeat=60), metrics)
    finds(fake_bus, words, words.position(position=1), words.done())
    waiting = asyncio.create_task(service.status(CLIENT, ID, wait=30))
    await until(lambda: fake_bus.status_requests)
    next(iter(fake_bus.inboxes.values())).put(words.finished)
    assert (await waiting).kind is EventKind.DONE


async def test_without_waiting_it_is_what_is_known_now(service, fake_bus, words):
    """One look; after a wait, the latest."""
    finds(fake_bus, words, words.position(position=2), words.position(position=1))
    assert b"2" in (await service.status(CLIENT, ID, wait=0)).json
    assert len(fake_bus.status_requests) == 1
    finds(fake_bus, words, words.position(position=1))
    assert b": 1" in (await service.status(CLIENT, ID, wait=0.12)).json


@pytest.mark.parametrize("code", [ErrorCode.CANCELLED, ErrorCode.NOT_FOUND])
async def test_a_stored_error_is_the_answer(service, fake_bus, words, code):
    """And so is that there is no such request."""
    finds(fake_bus, words, words.error(code))
    with pytest.raises(RelayedError) as raised:
        await service.status(CLIENT, ID, wait=5)
    assert raised.value.code is code


async def test_a_look_that_failed_is_tried_again(service, fake_bus, words):
    """What went wrong with looking is not what became of the request."""
    finds(fake_bus, words, words.error(ErrorCode.BUS_UNAVAILABLE), words.done())
    assert (await service.status(CLIENT, ID, wait=5)).kind is EventKind.DONE


async def test_where_nobody_answers_there_is_no_telling(service, fake_bus, words):
    """Nobody there, somebody silent, no bus, nonsense: each its own error, in time."""
    with pytest.raises(AcceptTimeoutError):
        await service.status(CLIENT, ID, wait=5)
    fake_bus.on_status = lambda _: words.nobody
    with pytest.raises(NoFilterError):
        await service.status(CLIENT, ID, wait=5)
    finds(fake_bus, words, words.event("thinking", 1, 0))
    with pytest.raises(InternalError):
        await service.status(CLIENT, ID, wait=5)
    fake_bus.connected = False
    with pytest.raises(BusUnavailableError):
        await service.status(CLIENT, ID, wait=5)


async def test_a_bus_that_is_lost_while_it_waits_is_waited_for(service, fake_bus, words):
    """Back again, the answer is there."""
    finds(fake_bus, words, words.position(position=1))
    waiting = asyncio.create_task(service.status(CLIENT, ID, wait=5))
    await until(lambda: fake_bus.status_requests)
    fake_bus.connected = False
    await asyncio.sleep(0.1)  # longer than between two looks
    finds(fake_bus, words, words.done())
    fake_bus.connected = True
    assert (await waiting).kind is EventKind.DONE


async def test_a_silent_time_is_told(service, fake_bus, words):
    """A stream learns every so often that it is alive."""
    finds(fake_bus, words, words.position(position=1))
    heard = []
    async for event in service.follow(CLIENT, ID, pulse=0.02):
        heard.append(event and event.kind)
        if len(heard) == 3:
            break
    assert heard == [EventKind.POSITION, None, None]


async def test_anothers_request_is_looked_up_under_the_askers_own_name(service, fake_bus, chat, words):
    """Though this very gateway holds it."""
    finds(fake_bus, words, words.error(ErrorCode.NOT_FOUND))
    asking = asyncio.create_task(service.answer(chat))
    await until(lambda: fake_bus.published)
    with pytest.raises(RelayedError):
        await service.status("http-stranger", chat.id, wait=0)
    assert fake_bus.status_requests == [("http-stranger", chat.id)]
    asking.cancel()
    await asyncio.wait([asking])


async def test_a_cancellation_is_sent_again_until_there_is_a_receipt(service, fake_bus, words):
    """Silence, and then a filter that is not there: each is tried again; the receipt is the filter's."""
    receipt = words.event("", 0, 0, id=str(ID), hit="running")
    answers = {1: None, 2: words.nobody, 3: receipt}
    fake_bus.on_cancel = answers.get
    assert (await service.cancel(CLIENT, ID)).hit == "running"
    assert fake_bus.cancelled == [(CLIENT, ID)] * 3


async def test_where_nobody_takes_a_cancellation_there_is_no_receipt(service, fake_bus, words):
    """No filter, and a silent one: each its own error, in time."""
    with pytest.raises(AcceptTimeoutError):
        await service.cancel(CLIENT, ID)
    fake_bus.on_cancel = lambda _: words.nobody
    with pytest.raises(NoFilterError):
        await service.cancel(CLIENT, ID)


async def test_a_late_reply_is_waited_for(fake_bus, words, metrics, timing):
    """Each wait is longer than the one before: a filter that takes its time is received in the end."""
    waits = []

    async def slow(_client, _chat_id, within):
        waits.append(within)
        if within < 0.15:  # longer than the usual time between two repeats
            await asyncio.sleep(within)
            raise AcceptTimeoutError("No filter has replied.")
        return words.status(words.done())

    fake_bus.status = slow
    service = RequestService(fake_bus, replace(timing, accept=5), metrics)
    assert (await service.status(CLIENT, ID, wait=5)).kind is EventKind.DONE
    assert waits == sorted(waits)
