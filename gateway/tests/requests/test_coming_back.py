"""Requests that their clients can come back for, before a bus in memory: joining, ending, looking up."""

import asyncio
import json
from dataclasses import replace
from uuid import uuid4

import pytest

from harness.processes.wait import until
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import EventKind
from stile_gateway.errors import (
    KeyConflictError,
)
from stile_gateway.requests.service import RequestService


async def test_under_one_key_two_wait_for_one_answer(service, fake_bus, chat, words):
    """A second asker on this gateway joins the first: one publish, the same answer for both."""
    keyed = replace(chat, key="k")
    first = asyncio.create_task(service.answer(keyed))
    second = asyncio.create_task(service.answer(keyed))
    await until(lambda: fake_bus.published)
    next(iter(fake_bus.inboxes.values())).put(words.done())
    assert (await first).json == (await second).json
    assert len(fake_bus.published) == 1
    assert fake_bus.published[0][1]["Chat-Key"] == "k"


async def test_one_that_leaves_takes_nothing_from_the_other(service, fake_bus, chat, words):
    """Under a key the request goes on for whoever stays, or comes back; nothing is cancelled."""
    keyed = replace(chat, key="k")
    first = asyncio.create_task(service.answer(keyed))
    second = asyncio.create_task(service.answer(keyed))
    await until(lambda: fake_bus.published)
    for leaving in (first, second):
        leaving.cancel()
        await asyncio.wait([leaving])
    third = asyncio.create_task(service.answer(keyed))
    await asyncio.sleep(0)
    next(iter(fake_bus.inboxes.values())).put(words.done())
    assert (await third).body.response == "blue"
    assert len(fake_bus.published) == 1
    assert fake_bus.cancelled == []
    assert service.in_flight(chat.client) == 0


@pytest.fixture
def impatient(fake_bus, metrics, timing):
    """A use case that ends what nobody has listened to for a twentieth of a second."""
    return RequestService(fake_bus, replace(timing, accept=2, answer=5, abandoned=0.05), metrics)


async def leave(service, chat):
    """Ask, and go away once it was published."""
    asking = asyncio.create_task(service.answer(chat))
    await until(lambda: service.is_in_flight(chat.id))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])


async def test_under_a_key_it_ends_when_nobody_comes_back(impatient, fake_bus, chat):
    """After the time, and when no other gateway has somebody: as one without a key ends at once."""
    await leave(impatient, replace(chat, key="k"))
    assert impatient.is_in_flight(chat.id)
    await until(lambda: fake_bus.cancelled)
    assert fake_bus.cancelled == fake_bus.asked_elsewhere == [(chat.client, chat.id)]
    await until(lambda: not impatient.is_in_flight(chat.id))
    assert fake_bus.inboxes == {}


async def test_who_comes_back_in_time_stops_the_clock(impatient, fake_bus, chat, words):
    """However long it listens then; its going starts the clock anew."""
    keyed = replace(chat, key="k")
    await leave(impatient, keyed)
    async for _ in impatient.events(keyed, pulse=0.2):
        break
    assert fake_bus.asked_elsewhere == []
    again = asyncio.create_task(impatient.answer(keyed))
    await asyncio.sleep(0)
    next(iter(fake_bus.inboxes.values())).put(words.done())
    assert (await again).body.response == "blue"
    assert fake_bus.cancelled == []
    await leave(impatient, replace(keyed, id=uuid4()))
    await until(lambda: fake_bus.cancelled)


async def test_an_outcome_in_the_meantime_ends_the_clock(impatient, fake_bus, chat, words):
    """Nothing is asked of anybody, and nothing cancelled."""
    fake_bus.says(words.accepted())
    await leave(impatient, replace(chat, key="k"))
    next(iter(fake_bus.inboxes.values())).put(words.done())
    await until(lambda: not impatient.is_in_flight(chat.id))
    await leave(impatient, replace(chat, key="other", id=uuid4()))
    await until(lambda: fake_bus.cancelled)
    assert chat.id not in {chat_id for _, chat_id in fake_bus.asked_elsewhere}


@pytest.mark.parametrize("first", [True, False])
async def test_one_that_is_answered_later_has_no_clock(impatient, fake_bus, chat, first):
    """Its client comes back when it likes; it may say so when it joins, too."""
    keyed = replace(chat, key="k", answer_later=first)
    await leave(impatient, keyed)
    await leave(impatient, replace(keyed, answer_later=not first))
    await leave(impatient, replace(chat, key="other", id=uuid4()))
    # The other's clock was started last.
    await until(lambda: fake_bus.cancelled)
    assert impatient.is_in_flight(chat.id)
    assert chat.id not in {chat_id for _, chat_id in fake_bus.asked_elsewhere}
    await impatient.close()


async def test_who_waits_at_another_gateway_keeps_it(impatient, fake_bus, chat):
    """It is the other's to end: it is asked once, and not again."""
    fake_bus.is_elsewhere = True
    await leave(impatient, replace(chat, key="k"))
    await until(lambda: fake_bus.asked_elsewhere)
    assert not next(iter(fake_bus.inboxes.values())).is_attended
    fake_bus.is_elsewhere = False
    await leave(impatient, replace(chat, key="other", id=uuid4()))
    await until(lambda: fake_bus.cancelled)
    assert impatient.is_in_flight(chat.id)
    assert len(fake_bus.asked_elsewhere) == 2
    await impatient.close()


async def test_others_who_cannot_be_asked_are_asked_again(impatient, fake_bus, chat):
    """Without a bus nothing is cancelled; when it is back, the clock has gone on."""
    await leave(impatient, replace(chat, key="k"))
    fake_bus.connected = False
    await asyncio.sleep(0.12)
    assert (fake_bus.asked_elsewhere, fake_bus.cancelled) == ([], [])
    fake_bus.connected = True
    await until(lambda: fake_bus.cancelled)


async def test_a_key_with_another_body_conflicts(service, fake_bus, chat):
    """The key is the first request's, and the first one goes on."""
    first = asyncio.create_task(service.answer(replace(chat, key="k")))
    await until(lambda: fake_bus.published)
    with pytest.raises(KeyConflictError):
        await service.answer(replace(chat, key="k", body=b"{}"))
    assert not first.done()
    first.cancel()


async def test_a_stream_joins_a_request_under_its_key(service, fake_bus, chat, words):
    """It gets what was heard so far, and then what follows; the text once, in whatever pieces."""
    keyed = replace(chat, key="k")
    fake_bus.says(words.accepted(), words.started(), words.token("bl", 1), words.token("u", 2))
    first = asyncio.create_task(service.answer(keyed))
    await until(lambda: fake_bus.published)
    inbox = next(iter(fake_bus.inboxes.values()))
    await asyncio.sleep(0.02)
    heard = []
    async for event in service.events(keyed, pulse=5):
        heard.append((event.kind, json.loads(event.json).get("text")))
        if event.kind is EventKind.TOKEN and len(heard) == 3:
            inbox.put(words.token("e", 3))
            inbox.put(words.done(seq=4))
    assert heard == [
        (EventKind.ACCEPTED, None),
        (EventKind.STARTED, None),
        (EventKind.TOKEN, "blu"),
        (EventKind.TOKEN, "e"),
        (EventKind.DONE, None),
    ]
    assert (await first).body.response == "blue"
    assert len(fake_bus.published) == 1


async def test_what_was_answered_elsewhere_is_looked_up(service, fake_bus, chat, words):
    """Events may go to a gateway that is no more: the end is looked up when it is told, and now and then."""
    fake_bus.says(words.accepted())
    fake_bus.on_status = lambda number: words.status(
        words.position(position=1) if number < 3 else words.done()
    )
    keyed = replace(chat, key="k")
    heard = [event.kind async for event in service.events(keyed, pulse=5)]
    assert heard == [EventKind.ACCEPTED, EventKind.POSITION, EventKind.POSITION, EventKind.DONE]
    assert set(fake_bus.status_requests) == {(chat.client, chat.id)}


async def test_an_end_that_is_told_is_looked_up_where_it_was_not_heard(service, fake_bus, chat, words):
    """Soon, and without a key too; a look-up that fails by itself is none of the request's errors."""

    def on_status(number):
        failed = words.error(ErrorCode.BUS_UNAVAILABLE) if number == 1 else words.error(ErrorCode.NOT_FOUND)
        return words.status(failed if number < 3 else words.done())

    fake_bus.says(words.accepted(), words.finished)
    fake_bus.on_status = on_status
    assert (await service.answer(chat)).body.response == "blue"
    assert len(fake_bus.status_requests) == 3


async def test_nothing_is_looked_up_of_what_is_heard(service, fake_bus, chat, words):
    """An end that is told a moment before the last event costs nothing."""
    fake_bus.says(words.accepted(), words.finished, words.done())
    await service.answer(chat)
    await asyncio.sleep(0.05)
    assert fake_bus.status_requests == []
