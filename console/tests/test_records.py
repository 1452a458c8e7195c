"""What is kept of the log in memory."""

import sys
import threading
from datetime import datetime
from uuid import uuid4

import pytest

from stile_console.history.records import DAYS, NEWEST, Records
from stile_contracts.messages import LogRecord

NOON = datetime(2026, 11, 28, 12).astimezone().timestamp()
DAY = 24 * 3600


def record(client="http-ada", seconds_ago=0.0, outcome="answered", tokens=10, chat_id=None):
    return LogRecord(
        id=chat_id or uuid4(),
        at_ms=int((NOON - seconds_ago) * 1000),
        client=client,
        lane="interactive",
        outcome=outcome,
        prompt_tokens=tokens,
        answer_tokens=tokens,
        attempt=1,
        part="consumer",
    )


def test_today_and_seven_days_are_counted_for_each_client():
    """By the day on this machine's clock; the day before the seventh no longer counts."""
    records = Records(lambda: NOON)
    for client, ago, outcome in (
        ("http-ada", 60, "answered"),
        ("http-ada", 120, "refused"),
        ("http-ada", 2 * DAY, "answered"),
        ("http-ada", DAYS * DAY, "answered"),
        ("http-ben", DAY, "answered"),
    ):
        records.add(record(client, ago, outcome))
    today, week = records.use(1), records.use(DAYS)
    assert set(today) == {"http-ada"}
    assert (today["http-ada"].requests, today["http-ada"].refused, today["http-ada"].tokens) == (2, 1, 40)
    assert (week["http-ada"].requests, week["http-ben"].requests) == (3, 1)


def test_the_second_record_of_a_request_replaces_the_first():
    """A request is counted once, as it ended last."""
    records, chat_id = Records(lambda: NOON), uuid4()
    records.add(record(outcome="answered", chat_id=chat_id))
    records.add(record(outcome="refused", chat_id=chat_id, tokens=1))
    assert [found.outcome for found in records.newest()] == ["refused"]
    used = records.use(1)["http-ada"]
    assert (used.requests, used.refused, used.tokens) == (1, 1, 2)


def test_memory_is_bounded_and_counts_are_not_lost():
    """The newest are kept, newest first; what is no longer kept still counts."""
    records = Records(lambda: NOON)
    for number in range(NEWEST + 10):
        records.add(record(seconds_ago=NEWEST + 10 - number))
    found = list(records.newest())
    assert len(found) == NEWEST
    assert found[0].at_ms > found[-1].at_ms
    assert records.use(1)["http-ada"].requests == NEWEST + 10


@pytest.fixture
def frequent_switches():
    """Threads take turns after each few instructions."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("frequent_switches")
def test_it_is_read_in_one_thread_while_another_takes_in_records():
    """The routes read it from their threads; the bus adds to it meanwhile."""
    records = Records(lambda: NOON)
    is_over = threading.Event()

    def add():
        for number in range(3000):
            records.add(record(f"press-{number}"))
        is_over.set()

    adding = threading.Thread(target=add)
    adding.start()
    while not is_over.is_set():
        records.use(1)
        list(records.newest())
    adding.join()
    assert len(records.use(1)) == 3000
