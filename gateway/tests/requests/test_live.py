"""A request whose events go to a gateway that is gone: this one asks the worker for them."""

import asyncio
import itertools
from dataclasses import replace
from types import SimpleNamespace

import pytest

from stile_contracts.messages import EventKind
from stile_gateway.errors import BusUnavailableError
from stile_gateway.requests import status
from stile_gateway.requests.service import RequestService

CLIENT = "http-127-0-0-1"


def plays(words):
    """Return what a worker does that is asked once: it sends all of its first attempt so far, then more."""

    def on_follow(inbox, number):
        if number == 1:
            for message in (words.started(), words.token("The sky ", 1), words.token("is", 2)):
                inbox.put(message)
            inbox.put(words.done("The sky is blue", seq=3))

    return on_follow


def texts(events):
    return [event.body.text for event in events if event is not None and event.kind is EventKind.TOKEN]


async def test_a_request_that_runs_already_is_followed(service, fake_bus, chat, words):
    """Under a key the filter's `accepted` may be about a request of before; the pieces come live."""
    fake_bus.says(words.accepted())
    fake_bus.on_follow = plays(words)
    events = [event async for event in service.events(replace(chat, key="k"), pulse=5)]
    assert "".join(texts(events)) == "The sky is"
    assert events[-1].body.response == "The sky is blue"
    assert fake_bus.followed == [(chat.client, chat.id)]
    assert fake_bus.status_requests == []


async def test_a_silent_one_is_followed_again(service, fake_bus, chat, words):
    """It waited when it was asked for first, or another worker has taken it up."""
    fake_bus.says(words.accepted())

    def on_follow(inbox, number):
        if number == 2:
            inbox.put(words.started(attempt=2))
            inbox.put(words.done("blue", attempt=2))

    fake_bus.on_follow = on_follow
    answer = await service.answer(replace(chat, key="k", timeout=None))
    assert answer.body.response == "blue"
    assert len(fake_bus.followed) == 2


async def test_a_request_that_ends_with_its_client_is_not_followed(service, fake_bus, chat, words):
    """Its events can go nowhere else."""
    fake_bus.says(words.accepted(), words.started(), words.done())
    await service.answer(chat)
    assert fake_bus.followed == []


async def test_a_look_at_a_running_request_brings_its_pieces(service, fake_bus, chat, words):
    """``GET /chat/{id}``: begun by the status, then the worker's own events; no piece twice."""
    fake_bus.on_status = lambda _number: words.status(words.started())
    fake_bus.on_follow = plays(words)
    events = [event async for event in service.follow(CLIENT, chat.id, pulse=5)]
    assert "".join(texts(events)) == "The sky is"
    assert events[-1].body.response == "The sky is blue"


@pytest.fixture
def slow_clock(monkeypatch):
    """Ten seconds pass between two looks at the clock."""
    clock = itertools.count(0, 10)
    monkeypatch.setattr(status, "time", SimpleNamespace(monotonic=lambda: next(clock)))


@pytest.mark.usefixtures("slow_clock")
async def test_pieces_come_while_no_filter_is_there(fake_bus, chat, words, metrics, timing):
    """As long as the worker sends something, there is nothing to ask a filter."""
    service = RequestService(fake_bus, replace(timing, repeat=60, accept=100), metrics)
    fake_bus.on_status = lambda number: words.status(words.started()) if number == 1 else words.nobody
    pieces = [f"{seq} " for seq in range(1, 20)]
    tokens = [words.token(piece, seq) for seq, piece in enumerate(pieces, 1)]
    coming = iter([words.started(), *tokens, words.done(seq=20)])
    inboxes = []
    fake_bus.on_follow = lambda inbox, _number: (inboxes.append(inbox), inbox.put(next(coming)))
    heard = []
    async for event in service.follow(CLIENT, chat.id, pulse=5):
        heard.append(event)
        if event.attempt and event.kind is not EventKind.DONE:
            inboxes[0].put(next(coming))
    assert texts(heard) == pieces
    assert heard[-1].kind is EventKind.DONE
    assert len(fake_bus.status_requests) == 1


async def test_a_look_at_the_status_alone_follows_nothing(service, fake_bus, chat, words):
    """A client that asks again and again would fill the worker's list of followers."""
    fake_bus.on_status = lambda number: words.status(words.started() if number < 2 else words.done())
    assert (await service.status(CLIENT, chat.id, wait=0)).kind is EventKind.STARTED
    assert (await service.status(CLIENT, chat.id, wait=5)).kind is EventKind.DONE
    assert fake_bus.followed == []


async def test_without_the_workers_events_the_end_still_comes(service, fake_bus, chat, words):
    """An older worker, or one that has no room for another listener, sends none."""
    fake_bus.on_status = lambda number: words.status(words.started() if number < 3 else words.done())

    def on_follow(_inbox, _number):
        raise BusUnavailableError("The bus is not connected.")

    fake_bus.on_follow = on_follow
    events = [event async for event in service.follow(CLIENT, chat.id, pulse=5)]
    assert [event.kind for event in events] == [EventKind.STARTED, EventKind.DONE]
    await asyncio.sleep(0)
    assert fake_bus.inboxes == {}
