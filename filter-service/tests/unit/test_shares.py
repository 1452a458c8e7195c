"""Who may take how much: the rules alone."""

import pytest

from stile_filter.shares import level, may_take


def filled(clients, places, kept, most=10**9):
    """Return how much each of so many has where all take what they may, in turn."""
    have = [0] * clients
    changed = True
    while changed:
        changed = False
        for client in range(clients):
            free = places - sum(have)
            if free > 0 and have[client] < most and may_take(have[client], free, kept):
                have[client] += 1
                changed = True
    return have


def test_one_alone_has_what_its_own_bound_allows():
    """A crowd of one is held up by no rule for crowds."""
    assert filled(1, 1000, kept=125, most=50) == [50]


@pytest.mark.parametrize("clients", [2, 20, 21, 100, 200])
def test_however_many_there_are_the_next_one_finds_a_place(clients):
    """The last eighth is for those who have none, and all others have as good as the same."""
    have = filled(clients, 1000, kept=125, most=50)
    assert 1000 - sum(have) > 100
    assert max(have) - min(have) <= 1
    assert min(have) >= 1


def test_the_last_places_are_taken_one_each():
    """Past the eighth nobody gets a second place, and the very last one is somebody's first."""
    have = filled(900, 1000, kept=125)
    assert sum(have) == 900 == len(have)
    assert may_take(0, 1, 125)
    assert not may_take(1, 100, 125)


def test_the_level_fits_and_spares_the_small():
    """Together they fit, whoever has less than the level keeps it, and nothing is taken needlessly."""
    assert level([10, 20, 300, 400], 230) == 100
    assert level([10, 20], 30) == float("inf")
    assert level([50, 50, 50], 30) == 10
    assert level([], 30) == float("inf")
