"""What keeps a service small."""

import gc
import weakref

import pytest

from stile_runtime import footprint


class Knot:
    """Refers to itself, so that only a collection frees it."""

    def __init__(self):
        self.own = self


@pytest.fixture(autouse=True)
def as_it_was():
    """The interpreter as it was."""
    yield
    gc.unfreeze()


def test_what_stays_is_left_out_and_what_is_done_with_is_freed():
    """Also what was in use when the memory was settled before."""
    knot = Knot()
    known = weakref.ref(knot)
    footprint.settle()
    assert gc.get_freeze_count() > 0
    assert known() is knot
    del knot
    gc.collect()
    assert known() is not None, "it is left out"
    footprint.settle()
    assert known() is None
