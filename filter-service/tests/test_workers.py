"""When a place in CHAT may be free, from the consumers' heartbeats."""

import pytest

from stile_contracts.messages import Heartbeat
from stile_filter.workers import ALIVE_SECONDS, UNKNOWN_RETRY_AFTER, Workers


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self):
        return self.now


def beat(name, seconds):
    return Heartbeat(part="consumer", instance=name, version="1", ready=True, service_seconds=seconds)


@pytest.mark.parametrize(
    ("beats", "expected"),
    [
        ([], UNKNOWN_RETRY_AFTER),
        ([("a", None)], UNKNOWN_RETRY_AFTER),
        ([("a", 12.0)], 12.0),
        ([("a", 12.0), ("b", 8.0)], 5.0),
        ([("a", 12.0), ("a", 8.0)], 8.0),
        ([("a", 0.1)], 1.0),
    ],
)
def test_retry_after(beats, expected):
    """The mean time of a request, shared among those that work; at least a second."""
    workers = Workers(Clock())
    for name, seconds in beats:
        workers.heard(beat(name, seconds))
    assert workers.retry_after() == expected


def test_a_consumer_that_went_away_counts_no_more():
    """What was heard too long ago says nothing."""
    clock = Clock()
    workers = Workers(clock)
    workers.heard(beat("a", 60.0))
    clock.now += ALIVE_SECONDS + 0.1
    assert workers.retry_after() == UNKNOWN_RETRY_AFTER
