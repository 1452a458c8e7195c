"""The pauses of the event loop."""

import sys

import pytest

from stile_filter.ops import pauses


@pytest.fixture(autouse=True)
def as_it_was():
    """The interpreter as it was."""
    seconds = sys.getswitchinterval()
    yield
    sys.setswitchinterval(seconds)


def test_threads_take_turns_often():
    """A request that waits for the interpreter gets it before a person notices."""
    pauses.share_the_interpreter()
    assert sys.getswitchinterval() < 0.001
