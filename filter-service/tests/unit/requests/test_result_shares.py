"""One client's outcomes fill CHAT_RESULT: its own oldest go, and nobody else's."""

from uuid import UUID

from stile_filter.requests.result_shares import Cuts
from stile_filter.store import ResultRecord


def request_id(number):
    return UUID(f"0190a5d0-0000-7000-8000-{number:012}")


def outcome(seq, client="a", size=100, stored=0.0):
    return ResultRecord((client, request_id(seq)), seq, size, stored)


def cut(excess, outcomes, spared=(), until=1.0):
    cuts = Cuts(dict(excess), set(spared), until)
    for one in outcomes:
        cuts.take(one)
    return cuts.before


def test_the_oldest_go_and_no_more_than_is_too_much():
    """Of whoever holds too much; what others hold is not looked at."""
    outcomes = [outcome(seq, "ab"[seq % 2]) for seq in range(10)]
    assert cut({"a": 250}, outcomes) == {"a": 5}
    assert cut({}, outcomes) == {}


def test_what_is_young_or_still_in_chat_stays():
    """It would be generated a second time; and what is later than that stays as well."""
    outcomes = [outcome(seq) for seq in range(5)]
    assert cut({"a": 500}, outcomes, spared=[("a", request_id(2))]) == {"a": 2}
    assert cut({"a": 500}, [outcome(0), outcome(1, stored=2.0), outcome(2)]) == {"a": 1}
