"""The filter's wall clock against nats-server's, in memory."""

import pytest

from stile_filter.ops.clock import WallClock
from stile_runtime.fleet import CLOCK_TOLERANCE_SECONDS

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("server", "fault"),
    [
        (NOW, None),
        (NOW - CLOCK_TOLERANCE_SECONDS, None),
        (NOW + CLOCK_TOLERANCE_SECONDS + 1, None),
        (NOW - 640, "the clock is 640 s off (ahead of nats-server's)"),
        (NOW + 641, "the clock is 640 s off (behind nats-server's)"),
        (0.0, "the clock is 1800000000 s off (ahead of nats-server's)"),
    ],
)
def test_how_far_it_is_off(server, fault):
    """It is right enough up to the tolerance; the server answered between the question and the answer."""
    clock = WallClock(lambda: NOW + 1)
    assert clock.fault() is None, "nothing is known yet"
    clock.compare(server, asked=NOW)
    assert clock.fault() == fault


def test_a_slow_answer_is_no_fault_of_the_clock():
    """The server may have answered at any time in between."""
    clock = WallClock(lambda: NOW + 600)
    for server in (NOW, NOW + 300, NOW + 600):
        clock.compare(server, asked=NOW)
        assert clock.fault() is None


def test_it_is_right_again():
    """What counts is the last comparison."""
    clock = WallClock(lambda: NOW)
    clock.compare(NOW - 640, asked=NOW)
    assert clock.fault()
    clock.compare(NOW, asked=NOW)
    assert clock.fault() is None
