"""The pauses of the event loop."""

import gc
import sys
import weakref

import pytest

from stile_filter.ops import pauses


class Knot:
    """Refers to itself, so that only a collection frees it."""

    def __init__(self):
        self.own = self


@pytest.fixture(autouse=True)
def as_it_was():
    """The interpreter as it was."""
    seconds = sys.getswitchinterval()
    yield
    sys.setswitchinterval(seconds)
    gc.unfreeze()


def test_what_stays_is_left_out_and_what_is_done_with_is_freed():
    """Also what was in use when the memory was settled before."""
    knot = Knot()
    known = weakref.ref(knot)
    pauses.settle()
    assert gc.get_freeze_count() > 0
    assert known() is knot
    del knot
    gc.collect()
    assert known() is not None, "it is left out"
    pauses.settle()
    assert known() is None


def test_threads_take_turns_often():
    """A request that waits for the interpreter gets it before a person notices."""
    pauses.share_the_interpreter()
    assert sys.getswitchinterval() < 0.001
