"""The use case before a bus in memory: repeats, timeouts, attempts, gaps, leaving."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from harness.processes.wait import until
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import EventKind
from stile_gateway.errors import (
    AcceptTimeoutError,
    AnswerTimeoutError,
    BusUnavailableError,
    InternalError,
    NoFilterError,
    RelayedError,
    ShuttingDownError,
)
from stile_gateway.requests.events import ReplyMessage
from stile_gateway.requests.request import ClientRequest
from stile_gateway.requests.service import RequestService


def counted(counter):
    return next(sample.value for sample in counter.collect()[0].samples if sample.name.endswith("_total"))


async def test_the_answer_is_handed_on_as_it_came(service, fake_bus, chat, words):
    """What the consumer wrote reaches the client byte by byte, and the client's body the filter."""
    done = words.done("blue")
    fake_bus.says(words.accepted(), words.started(), done)
    event = await service.answer(chat)
    assert (event.kind, event.json, event.body.response) == (EventKind.DONE, done.body, "blue")
    body, headers = fake_bus.published[0]
    assert body == chat.body
    assert headers["Chat-Id"] == str(chat.id)
    assert headers["Chat-Client"] == "http-127-0-0-1"
    assert headers["Chat-Events"] == "state"
    assert headers["Chat-Deadline"].isdigit()
    assert fake_bus.inboxes == {}


async def test_it_repeats_the_same_request_until_something_is_heard(service, fake_bus, chat, words, metrics):
    """Every publish is the same in body and headers, deadline included; the first event ends them."""

    def third_time(inbox, number):
        if number == 3:
            inbox.put(words.accepted())

    fake_bus.on_publish = third_time
    asking = asyncio.create_task(service.answer(chat))
    await until(lambda: len(fake_bus.published) == 3)
    await asyncio.sleep(0.15)  # three times as long as between two repeats
    assert len(fake_bus.published) == 3
    assert fake_bus.published[0] == fake_bus.published[1] == fake_bus.published[2]
    next(iter(fake_bus.inboxes.values())).put(words.done(seq=0))
    assert (await asking).body.response == "blue"
    assert counted(metrics.repeats) == 2


async def test_a_filter_that_comes_back_is_found_soon(service, fake_bus, chat, words):
    """After no responders the next publish comes sooner than a usual repeat."""
    fake_bus.on_publish = lambda inbox, number: inbox.put(words.nobody if number < 5 else words.done())
    async with asyncio.timeout(4 * 0.05):  # four usual repeats would take longer
        await service.answer(chat)


async def test_no_filter_where_every_publish_met_nobody(service, fake_bus, chat, words):
    """Only then is it sure that the request is stored nowhere."""
    fake_bus.on_publish = lambda inbox, _: inbox.put(words.nobody)
    with pytest.raises(NoFilterError) as raised:
        await service.answer(chat)
    assert raised.value.chat_id == chat.id
    assert len(fake_bus.published) > 3


async def test_accept_timeout_where_one_publish_may_have_been_heard(service, fake_bus, chat, words):
    """One publish without an answer is enough: the request may be stored."""
    fake_bus.on_publish = lambda inbox, number: inbox.put(words.nobody) if number != 2 else None
    with pytest.raises(AcceptTimeoutError) as raised:
        await service.answer(chat)
    assert raised.value.chat_id == chat.id


async def test_what_could_not_be_stored_is_asked_again(service, fake_bus, chat, words):
    """A cluster that has lost a server chooses for seconds who leads: no client needs to know."""
    unavailable = words.error(ErrorCode.BUS_UNAVAILABLE)
    fake_bus.on_publish = lambda inbox, number: inbox.put(unavailable if number < 4 else words.done())
    assert (await service.answer(chat)).body.response == "blue"
    assert len(fake_bus.published) == 4


async def test_bus_unavailable_where_nothing_could_ever_be_stored(service, fake_bus, chat, words):
    """Every publish was turned away, so it is sure that the request is stored nowhere."""
    fake_bus.on_publish = lambda inbox, _: inbox.put(words.error(ErrorCode.BUS_UNAVAILABLE))
    with pytest.raises(RelayedError) as raised:
        await service.answer(chat)
    assert raised.value.code == ErrorCode.BUS_UNAVAILABLE
    assert len(fake_bus.published) > 3


async def test_accept_timeout_where_only_some_were_turned_away(service, fake_bus, chat, words):
    """One publish was left without an answer: it may be stored."""
    unavailable = words.error(ErrorCode.BUS_UNAVAILABLE)
    fake_bus.on_publish = lambda inbox, number: inbox.put(unavailable) if number != 2 else None
    with pytest.raises(AcceptTimeoutError):
        await service.answer(chat)


async def test_bus_unavailable_at_once(service, fake_bus, chat):
    """Where nothing could be published nobody waits."""
    fake_bus.connected = False
    with pytest.raises(BusUnavailableError):
        async with asyncio.timeout(0.1):
            await service.answer(chat)


async def test_a_bus_lost_in_between_is_waited_for(service, fake_bus, chat, words):
    """After a first publish a lost bus is no error yet: the request may be stored, and is repeated."""

    def lose(_inbox, number):
        fake_bus.connected = number != 1

    fake_bus.on_publish = lose
    asking = asyncio.create_task(service.answer(chat))
    await until(lambda: not fake_bus.connected)
    await asyncio.sleep(0.08)  # longer than a repeat: it was tried, and could not be sent
    fake_bus.connected = True
    inbox = next(iter(fake_bus.inboxes.values()))
    inbox.put(words.back)
    await until(lambda: len(fake_bus.published) == 2)
    inbox.put(words.done())
    assert (await asking).body.response == "blue"


async def test_a_bus_that_never_comes_back_is_an_accept_timeout(service, fake_bus, chat):
    """It was published and never heard of: nothing sure can be said."""

    def lose(_inbox, _number):
        fake_bus.connected = False

    fake_bus.on_publish = lose
    with pytest.raises(AcceptTimeoutError):
        await service.answer(chat)


async def test_an_accepted_request_is_repeated_after_the_bus_was_lost(service, fake_bus, chat, words):
    """Its answer may have been said while nobody heard; the repeat brings out what is stored."""
    fake_bus.on_publish = lambda inbox, number: inbox.put(words.accepted() if number == 1 else words.done())
    asking = asyncio.create_task(service.answer(chat))
    await until(lambda: fake_bus.published)
    await asyncio.sleep(0.08)
    assert len(fake_bus.published) == 1
    next(iter(fake_bus.inboxes.values())).put(words.back)
    assert (await asking).body.response == "blue"
    assert len(fake_bus.published) == 2


async def test_answer_timeout_after_accepted(service, fake_bus, chat, words):
    """An accepted request waits for its answer, not for the shorter time of accepting."""
    fake_bus.says(words.accepted())
    began = asyncio.get_running_loop().time()
    with pytest.raises(AnswerTimeoutError) as raised:
        await service.answer(chat)
    assert asyncio.get_running_loop().time() - began >= 0.6
    assert raised.value.chat_id == chat.id


async def test_a_higher_attempt_resets_the_lower(service, fake_bus, chat, words, metrics):
    """After a redelivery the first attempt's text is void, late pieces of it too, and no gap is seen."""
    fake_bus.says(
        words.accepted(),
        words.started(1),
        words.token("gre", 1),
        words.started(2),
        words.token("en", 2, attempt=1),
        words.token("bl", 1, attempt=2),
        words.done("blue", seq=2, attempt=2),
    )
    said = [(s.kind, s.attempt) async for s in service.events(chat, pulse=5)]
    assert said == [
        (EventKind.ACCEPTED, 0),
        (EventKind.STARTED, 2),
        (EventKind.TOKEN, 2),
        (EventKind.DONE, 2),
    ]
    assert counted(metrics.gaps) == 0


async def test_an_outcome_counts_whoever_says_it(service, fake_bus, chat, words):
    """Outcomes are create-only: a lower attempt's `done` is the stored answer as much as a higher one's."""
    fake_bus.says(words.started(2), words.done("blue", attempt=1))
    assert (await service.answer(chat)).body.response == "blue"


async def test_a_gap_is_counted_and_harms_nothing(service, fake_bus, chat, words, metrics):
    """Missing events are seen from the numbers, in the middle and before `done`; the answer is whole."""
    fake_bus.says(
        words.accepted(), words.started(), words.token("l", 2), words.token("u", 3), words.done("blue", seq=5)
    )
    said = [s async for s in service.events(chat, pulse=5)]
    assert said[-1].body.response == "blue"
    assert counted(metrics.gaps) == 2


async def test_an_event_heard_twice_is_said_once(service, fake_bus, chat, words, metrics):
    """A repeat's second `accepted`, and a number that was there already, are nobody's news."""
    fake_bus.says(
        words.accepted(),
        words.accepted(),
        words.started(),
        words.token("b", 1),
        words.token("b", 1),
        words.done(seq=2),
    )
    said = [s.kind async for s in service.events(chat, pulse=5)]
    assert said == [EventKind.ACCEPTED, EventKind.STARTED, EventKind.TOKEN, EventKind.DONE]
    assert counted(metrics.gaps) == 0


async def test_unknown_events_and_the_terminator_are_passed_over(service, fake_bus, chat, words):
    """What a later version may say, and the empty message that ends a stream, disturb nothing."""
    fake_bus.says(
        words.event("thinking", 1, 0),
        ReplyMessage({}, b""),
        ReplyMessage({"Chat-Event": "token"}, b"x"),
        words.done(),
    )
    assert (await service.answer(chat)).body.response == "blue"


async def test_an_error_is_relayed_as_it_was_said(service, fake_bus, chat, words):
    """Its code, sentence and `retry_after` are the filter's; the id is filled in where it was left out."""
    fake_bus.says(words.error(ErrorCode.QUEUE_FULL, retry_after=7.5))
    with pytest.raises(RelayedError) as raised:
        await service.answer(chat)
    error = raised.value.reply().error
    assert (error.code, error.retry_after, error.id) == (ErrorCode.QUEUE_FULL, 7.5, chat.id)


@pytest.mark.parametrize("event", ["done", "error"])
async def test_a_final_word_that_cannot_be_read_is_an_internal_error(service, fake_bus, chat, words, event):
    """Nothing is made up in its place."""
    fake_bus.says(words.event(event, 1, 0, nonsense=True))
    with pytest.raises(InternalError):
        await service.answer(chat)


async def test_a_pulse_where_nothing_is_said(service, fake_bus, chat, words):
    """A stream learns every so often that the request is alive."""
    fake_bus.says(words.accepted())
    heard = []
    async for said in service.events(chat, pulse=0.02):
        heard.append(said)
        if len(heard) == 3:
            break
    assert heard[1:] == [None, None]


async def test_who_goes_away_leaves_nothing_behind(service, fake_bus, chat):
    """A cancelled wait closes its inbox, and a pulse's reader that stops does too."""
    asking = asyncio.create_task(service.answer(chat))
    await until(lambda: fake_bus.published)
    asking.cancel()
    await asyncio.wait([asking])
    assert fake_bus.inboxes == {}
    assert fake_bus.cancelled == [(chat.client, chat.id)]


async def test_leaving_takes_nothing_new_and_gives_the_held_their_time(service, fake_bus, chat, words):
    """A held request may still be answered; one that is not is given up when the time is over."""
    fake_bus.says(words.accepted())
    held = asyncio.create_task(service.answer(chat))
    await until(lambda: fake_bus.published)
    await asyncio.sleep(0.02)
    service.leave(within=0.1)
    with pytest.raises(ShuttingDownError):
        await service.answer(replace(chat, id=uuid4()))
    assert not held.done()
    with pytest.raises(AnswerTimeoutError):
        async with asyncio.timeout(0.3):  # sooner than its deadline of 0.6
            await held


async def many(fake_bus, metrics, timing, *, repeats_per_second):
    """Have fifty requests accepted; return the use case and their tasks."""
    patient = replace(timing, accept=30, answer=60, repeats_per_second=repeats_per_second)
    service = RequestService(fake_bus, patient, metrics)
    chats = [
        ClientRequest(id=uuid4(), client=f"http-{number}", body=b'{"prompt": "Why?"}') for number in range(50)
    ]
    answers = [asyncio.create_task(service.answer(chat)) for chat in chats]
    await until(lambda: len(fake_bus.published) == len(chats))
    return service, answers


async def test_after_a_reconnect_the_requests_do_not_come_all_at_once(fake_bus, metrics, timing, words):
    """Fifty at five a second take ten seconds: most of them wait while the loop turns."""
    fake_bus.on_publish = lambda inbox, _: inbox.put(words.accepted())
    service, answers = await many(fake_bus, metrics, timing, repeats_per_second=5)
    for inbox in fake_bus.inboxes.values():
        inbox.put(words.back)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(fake_bus.published) < 2 * len(answers)
    await service.close()
    await asyncio.wait(answers)


async def test_after_a_reconnect_each_request_is_sent_again(fake_bus, metrics, timing, words):
    """Each has its own moment, and none is forgotten."""
    fake_bus.on_publish = lambda inbox, number: inbox.put(words.accepted() if number <= 50 else words.done())
    _, answers = await many(fake_bus, metrics, timing, repeats_per_second=500)
    for inbox in fake_bus.inboxes.values():
        inbox.put(words.back)
    assert {answer.body.response for answer in await asyncio.gather(*answers)} == {"blue"}
    assert len(fake_bus.published) == 2 * len(answers)
