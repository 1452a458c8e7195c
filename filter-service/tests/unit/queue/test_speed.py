"""How many consumers there are and how fast, from their heartbeats."""

import pytest

from stile_contracts.messages import Heartbeat
from stile_filter.queue.speed import ModelSpeed, Size, Speed
from stile_runtime.fleet import ALIVE_SECONDS, Fleet


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self):
        return self.now


def beat(name, seconds=None, *, ready=True, **speed):
    return Heartbeat(
        part="consumer", instance=name, version="1", ready=ready, service_seconds=seconds, **speed
    )


MEASURED = {"prompt_per_second": 200.0, "predicted_per_second": 10.0, "answer_tokens": 50.0}


@pytest.mark.parametrize(
    ("beats", "expected"),
    [
        ([], None),
        ([beat("a")], None),
        ([beat("a", 12.0)], Speed(12.0)),
        ([beat("a", 12.0), beat("b", 8.0), beat("c")], Speed(10.0)),
        ([beat("a", 12.0), beat("a", 8.0)], Speed(8.0)),
        ([beat("a", 12.0, **MEASURED)], Speed(12.0, ModelSpeed(0.005, 0.1, 50.0))),
        ([beat("a", **MEASURED)], Speed(5.0, ModelSpeed(0.005, 0.1, 50.0))),
        ([beat("a", 12.0, **MEASURED | {"prompt_per_second": 0.0})], Speed(12.0)),
        ([beat("a", 12.0, **MEASURED | {"answer_tokens": None})], Speed(12.0)),
    ],
)
def test_speed(beats, expected):
    """The mean of those that have measured; the tokens' speed only where all of it is known."""
    workers = Fleet(Clock())
    for heartbeat in beats:
        workers.receive(heartbeat)
    assert Speed.of(workers.alive("consumer")) == expected


def test_who_counts():
    """Those that can work now, and were heard of lately."""
    clock = Clock()
    workers = Fleet(clock)
    workers.receive(beat("a", 60.0))
    workers.receive(beat("b", ready=False))
    assert [worker.instance for worker in workers.alive("consumer") if worker.ready] == ["a"]
    clock.now += ALIVE_SECONDS + 0.1
    assert workers.alive("consumer") == []
    assert Speed.of(workers.alive("consumer")) is None


@pytest.mark.parametrize(
    ("size", "seconds"),
    [
        (Size(400, 20), 100 * 0.005 + 20 * 0.1),
        (Size(400, 1000), 100 * 0.005 + 50 * 0.1),
        (Size(0, 0), 0.0),
        (None, 7.0),
    ],
)
def test_what_a_request_costs(size, seconds):
    """The prompt's tokens and the answer's; no answer is reckoned longer than they usually are."""
    assert Speed(7.0, ModelSpeed(0.005, 0.1, 50.0)).seconds(size) == pytest.approx(seconds)
    assert Speed(7.0).seconds(size) == 7.0
