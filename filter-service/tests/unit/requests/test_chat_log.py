"""The records that a filter writes into the log, over a log in memory."""

from uuid import UUID

import nats.errors
import pytest

from harness.filter.records import Records
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import ErrorReply, Refusal, Reply, Usage
from stile_contracts.subjects import Lane, RequestAddress
from stile_filter.errors import RequestError
from stile_filter.requests.chat_log import BURST, SECONDS_A_RECORD, ChatLog

ID = UUID("0190a5d0-0000-7000-8000-000000000001")
NOW = 1_800_000_000.5


def address(client="alice", number=1):
    return RequestAddress(Lane.BATCH, client, UUID(int=number))


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


async def test_a_record_has_the_facts():
    """What was refused, where, by which rule, and when."""
    records = Records(now=lambda: NOW)
    await records.log.write(address(), "refused", place="messages[2]", rule="rude", view="leet", model=None)
    [record] = records
    assert (record.client, record.lane, record.outcome, record.part) == (
        "alice",
        "batch",
        "refused",
        "filter",
    )
    assert (record.place, record.rule, record.view) == ("messages[2]", "rude", "leet")
    assert (record.at_ms, record.attempt) == (1_800_000_000_500, 0)


async def test_a_later_record_of_a_request_replaces_the_earlier():
    """An error of the moment is followed by what became of the repeat."""
    records = Records()
    await records.log.write(address(), "filter_error")
    await records.log.write(address(), "refused")
    assert [record.outcome for record in records] == ["refused"]


async def fails(log, code):
    """End a request by an error."""
    with pytest.raises(RequestError):
        async with log.failures_of(address()):
            raise RequestError(code, "x")


async def test_a_repeat_that_fails_leaves_the_record_of_the_answer():
    """With the key of an answered request, nobody takes its tokens out of the log."""
    records = Records()
    await records.log.write(address(), "answered", answer_tokens=4)
    await fails(records.log, ErrorCode.INVALID_REQUEST)
    assert [(record.outcome, record.answer_tokens) for record in records] == [("answered", 4)]


async def test_a_deadline_that_passes_replaces_an_error_of_the_moment():
    """It is the request's result."""
    records = Records()
    await fails(records.log, ErrorCode.FILTER_ERROR)
    await fails(records.log, ErrorCode.DEADLINE_EXCEEDED)
    assert [record.outcome for record in records] == ["deadline_exceeded"]


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (ErrorReply.of(ErrorCode.CANCELLED, "x"), "cancelled"),
        (Reply(response="x", id=ID), "answered"),
        (Reply(response="x", id=ID, refused=True, refusal=Refusal(category="c", place="p")), "refused"),
    ],
)
async def test_a_stored_result_is_recorded_only_if_nobody_has(result, outcome):
    """The part that stored it may have died before its record. If there is a record, it stays as it is."""
    records = Records()
    await records.log.write_stored(address(), result)
    assert [record.outcome for record in records] == [outcome]
    known = Records()
    await known.log.write(address(), outcome, rule="rude")
    await known.log.write_stored(address(), result)
    assert [record.rule for record in known] == ["rude"]


async def test_a_stored_answer_has_its_tokens():
    """They are the client's use."""
    records = Records()
    usage = Usage(prompt_tokens=3, completion_tokens=4, total_tokens=7)
    await records.log.write_stored(address(), Reply(response="x", id=ID, model="m", usage=usage), attempt=2)
    [record] = records
    assert (record.prompt_tokens, record.answer_tokens, record.model, record.attempt) == (3, 4, "m", 2)


async def test_one_client_does_not_fill_the_log():
    """After a burst it has an allowance that fills again with time; others have their own."""
    clock = Clock()
    records = Records(clock=clock)
    for number in range(BURST + 50):
        await records.log.write(address(number=number), "invalid_request")
    assert records.written == BURST
    await records.log.write(address("bob"), "invalid_request")
    assert records.written == BURST + 1
    clock.seconds += 3 * SECONDS_A_RECORD
    for number in range(10):
        await records.log.write(address(number=number), "invalid_request")
    assert records.written == BURST + 4


async def test_many_clients_cost_little_memory():
    """What is remembered of them is bounded, and those that have used the most stay."""
    records = Records(clock=Clock())
    for number in range(BURST):
        await records.log.write(address(number=number), "invalid_request")
    for number in range(10_000):
        await records.log.write(address(f"c{number}"), "invalid_request")
    before = records.written
    await records.log.write(address(), "invalid_request")
    assert records.written == before


async def test_a_bus_that_is_away_is_no_error():
    """A record may be lost; nothing else suffers."""

    async def fail(*_):
        raise nats.errors.ConnectionClosedError

    await ChatLog(fail).write(address(), "refused")
