"""What waits to be handled: turns, bounds, and what is forgotten."""

import pytest

from stile_filter.transport.arrivals import Arrival, Arrivals, Bounds
from stile_filter.transport.message import IncomingMessage


def message(number, body=b"{}", client="a"):
    return IncomingMessage(f"chat.request.{client}", f"_R_.{client}.{number}", {}, body)


@pytest.fixture
def arrivals():
    return Arrivals(Bounds(messages=40, size=1000, client_messages=10, in_flight=6, client_in_flight=2))


def fill(arrivals, client, body=b"{}"):
    """Add what there is room for; return how many that were."""
    count = 0
    while arrivals.add(client, message(count, body, client)) is Arrival.TAKEN:
        count += 1
    return count


def begun(arrivals):
    """Begin what may be; return whose it was."""
    return [begun[0] for begun in iter(arrivals.begin, None)]


def test_the_lines_take_turns(arrivals):
    """A client that came later with one message waits for one of each other client, not for all of them."""
    for client in "ab":
        fill(arrivals, client)
    arrivals.add("c", message(1, client="c"))
    assert begun(arrivals) == ["a", "b", "c", "a", "b"]


def test_one_client_has_so_many_in_hand(arrivals):
    """However long its messages take, the other places are left to others; where one ends, one begins."""
    fill(arrivals, "a")
    assert begun(arrivals) == ["a", "a"]
    arrivals.add("b", message(1, client="b"))
    assert begun(arrivals) == ["b"]
    arrivals.end("a", message(0, client="a"))
    assert begun(arrivals) == ["a"]


def test_all_together_have_so_many_in_hand(arrivals):
    """Past that nothing is begun, until something ends."""
    for client in "abcd":
        fill(arrivals, client)
    assert begun(arrivals) == ["a", "b", "c", "d", "a", "b"]
    arrivals.end("a", message(0, client="a"))
    assert begun(arrivals) == ["c"]


def test_a_line_is_bounded_and_leaves_room_for_others(arrivals):
    """Its own bound; and where all fill theirs, whoever comes next still finds room."""
    assert fill(arrivals, "a") == 10
    for client in "bcdefgh":
        fill(arrivals, client)
    assert arrivals.add("z", message(1, client="z")) is Arrival.TAKEN
    assert arrivals.is_full("a")


def test_bodies_are_bounded_in_bytes(arrivals):
    """Large bodies: one client takes no more bytes than it leaves; one body larger than all is not taken."""
    assert fill(arrivals, "a", b"x" * 100) == 4
    assert arrivals.add("b", message(1, b"x" * 100, "b")) is Arrival.TAKEN
    assert arrivals.add("c", message(1, b"x" * 1001, "c")) is Arrival.FULL


def test_a_repeat_of_what_waits_takes_no_second_place(arrivals):
    """Nor is a repeat of what is in hand told that the line is full; another body is another message."""
    for number in range(10):
        arrivals.add("a", message(number))
    assert arrivals.add("a", message(3)) is Arrival.REPEATED
    begun(arrivals)
    assert [arrivals.add("a", message(number)) for number in (20, 21)] == [Arrival.TAKEN] * 2
    assert arrivals.add("a", message(0)) is Arrival.REPEATED
    assert arrivals.add("a", message(3, b"[]")) is Arrival.FULL


def test_who_has_nothing_here_is_forgotten(arrivals):
    """No memory of clients that are gone."""
    for number in range(30):
        client = f"c{number}"
        arrivals.add(client, message(1, client=client))
        assert arrivals.begin() == (client, message(1, client=client))
        arrivals.end(client, message(1, client=client))
    assert (len(arrivals), arrivals.clients) == (0, 0)
