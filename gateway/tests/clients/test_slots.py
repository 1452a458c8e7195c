"""Slots of requests, and connections: what one client may have of them."""

from contextlib import ExitStack

import pytest

from stile_gateway.clients.slots import Slots, share_of
from stile_gateway.errors import ClientLimitError, TooManyWaitingError
from stile_gateway.server.connections import Connections, trust


@pytest.mark.parametrize(("total", "share"), [(1, 1), (7, 1), (8, 1), (16, 2), (2000, 250)])
def test_a_share_is_an_eighth_and_at_least_one(total, share):
    """Who sets little room still answers each client."""
    assert share_of(total) == share


def test_one_client_has_its_share_and_gives_it_back():
    """Others have theirs meanwhile; what is refused takes nothing."""
    slots = Slots(16)
    for _ in range(2):
        with ExitStack() as held:
            for _ in range(2):
                held.enter_context(slots.taken("a"))
            for _ in range(3):
                with pytest.raises(ClientLimitError) as raised, slots.taken("a"):
                    pass
            assert raised.value.retry_after == 1
            held.enter_context(slots.taken("b"))


def test_all_slots_can_be_taken_by_many():
    """Then it is nobody's own fault."""
    slots = Slots(3)
    with ExitStack() as held:
        for client in "abc":
            held.enter_context(slots.taken(client))
        with pytest.raises(TooManyWaitingError), slots.taken("d"):
            pass


def test_a_body_takes_as_many_bytes_as_it_has():
    """What does not fit takes nothing; what is given back is there for the next."""
    slots = Slots(100, 60, "bytes of requests")
    slots.take("a", 50)
    with pytest.raises(ClientLimitError, match="bytes of requests"):
        slots.take("a", 11)
    slots.take("a", 10)
    with pytest.raises(TooManyWaitingError):
        slots.take("b", 41)
    slots.give("a", 60)
    slots.take("b", 60)


class Transport:
    """Remembers that it was closed, and says what is not sent."""

    def __init__(self):
        self.aborted = False
        self.unsent = 0

    def abort(self):
        self.aborted = True

    def get_write_buffer_size(self):
        return self.unsent


class Connection:
    """One connection of a test's."""

    def __init__(self):
        self.transport = Transport()
        self.is_sending = False


def opened(connections, peer, count):
    """Open some connections of an address, for each of which there is room."""
    made = [Connection() for _ in range(count)]
    assert [connections.open(one, peer) for one in made] == [None] * count
    return made


def nobody(_peer):
    return False


def test_an_addresss_longest_idle_connection_gives_way():
    """To one more of its own; those that work stay, and others' are not touched."""
    connections = Connections(16, nobody)
    (other,) = opened(connections, "10.0.0.2", 1)
    first, second = opened(connections, "2001:db8::1", 2)
    connections.busy(first)
    opened(connections, "2001:db8::2", 1)
    assert [one.transport.aborted for one in (other, first, second)] == [False, False, True]
    connections.idle(first)
    opened(connections, "2001:db8::1", 1)
    opened(connections, "2001:db8::1", 1)
    assert first.transport.aborted


def test_an_address_whose_connections_all_work_gets_no_more():
    """It is told so; when one has ended there is room again."""
    connections = Connections(16, nobody)
    made = opened(connections, "10.0.0.1", 2)
    for one in made:
        connections.busy(one)
    refused = Connection()
    assert isinstance(connections.open(refused, "10.0.0.1"), ClientLimitError)
    connections.close(refused)
    opened(connections, "10.0.0.2", 1)
    connections.close(made[0])
    opened(connections, "10.0.0.1", 1)


def test_where_there_is_no_room_at_all_the_greediest_gives_way():
    """The one with most idle connections loses the longest idle one of them."""
    connections = Connections(16, nobody)
    (modest,) = opened(connections, "10.0.0.1", 1)
    greedy = [one for number in range(2, 9) for one in opened(connections, f"10.0.0.{number}", 2)]
    (last,) = opened(connections, "10.0.0.9", 1)
    opened(connections, "10.0.0.10", 1)
    assert greedy[0].transport.aborted
    assert not modest.transport.aborted
    for one in (modest, last, *greedy[1:]):
        connections.busy(one)
    opened(connections, "10.0.0.11", 1)  # for the one of 10.0.0.10
    connections = Connections(1, nobody)
    (only,) = opened(connections, "10.0.0.1", 1)
    connections.busy(only)
    assert isinstance(connections.open(Connection(), "10.0.0.2"), TooManyWaitingError)


def test_a_trusted_proxys_connections_are_its_clients():
    """So it may have them all; a bare `*` trusts everybody."""
    assert trust(("10.0.0.0/8", "192.0.2.1"))("10.9.9.9")
    assert not trust(("10.0.0.0/8", "192.0.2.1"))("192.0.2.2")
    assert not trust(())("10.0.0.1")
    assert not trust(("10.0.0.1",))("unix")
    assert trust(("*",))("203.0.113.1")
    connections = Connections(16, trust(("10.0.0.1",)))
    opened(connections, "10.0.0.1", 16)


def test_a_client_that_takes_nothing_is_let_go():
    """From one look to the next; one that takes little stays, and so does one that is still written to."""
    connections = Connections(16, nobody)
    stalled, slow, live = (opened(connections, f"10.0.0.{number}", 1)[0] for number in range(3))
    stalled.is_sending = slow.is_sending = True
    stalled.transport.unsent = slow.transport.unsent = live.transport.unsent = 100_000
    connections.close_stalled()
    slow.transport.unsent -= 1
    connections.close_stalled()
    assert [one.transport.aborted for one in (stalled, slow, live)] == [True, False, False]
    connections.close_stalled()
    assert slow.transport.aborted
