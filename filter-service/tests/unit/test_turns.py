"""Clients take turns: neither an earlier client nor a client with more work comes first each time."""

import asyncio

from stile_filter.turns import RECENT, Turns


class Working:
    """Tasks that hold a place until they are let go."""

    def __init__(self, places):
        self.turns = Turns(places)
        self.order = []

    async def work(self, client, name, slices=1):
        for _ in range(slices):
            async with self.turns.turn(client):
                self.order.append(name)
                await asyncio.sleep(0)


async def test_a_short_one_waits_for_one_slice_of_a_long_one():
    """It does not wait for all of them."""
    working = Working(1)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(working.work("alice", "long", slices=20))
        tasks.create_task(working.work("bob", "short"))
    assert working.order.index("short") == 1


async def test_no_more_than_the_places_at_once():
    """All places are used."""
    turns, held, most = Turns(3), 0, 0

    async def work(client):
        nonlocal held, most
        async with turns.turn(client):
            held += 1
            most = max(most, held)
            await asyncio.sleep(0)
            held -= 1

    await asyncio.gather(*(work(f"client {number % 4}") for number in range(40)))
    assert most == 3


async def test_clients_alternate_if_one_has_many_requests_and_one_has_many_slices():
    """A client that sends its next request only after its turn still gets every second turn."""
    working = Working(1)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(12):
            tasks.create_task(working.work("alice", "many"))
        tasks.create_task(working.work("bob", "again", slices=6))
    order = working.order[working.order.index("again") :]
    assert order[:11] == ["again", "many"] * 5 + ["again"]


async def test_a_client_that_is_back_comes_before_one_that_was_served_later():
    """A new client comes after those that wait already."""
    turns, order = Turns(1), []

    async def work(client):
        async with turns.turn(client):
            order.append(client)

    for client in ("alice", "bob"):
        await work(client)
    async with asyncio.TaskGroup() as tasks, turns.turn("carol"):
        for client in ("bob", "dave", "alice", "eve"):
            tasks.create_task(work(client))
        await asyncio.sleep(0)
    assert order == ["alice", "bob", "alice", "bob", "dave", "eve"]


async def test_a_waiter_that_is_cancelled_at_its_turn_loses_no_place():
    """The place goes to the next one."""
    turns = Turns(1)

    async def work():
        async with turns.turn("alice"):
            pass

    async with asyncio.timeout(10):
        async with turns.turn("bob"):
            waiter = asyncio.create_task(work())
            await asyncio.sleep(0)
        waiter.cancel()  # its turn has come, and it has not run since
        await asyncio.gather(waiter, return_exceptions=True)
        assert waiter.cancelled()
        await work()


async def test_few_clients_are_remembered():
    """The number is bounded, even if many clients come."""
    turns = Turns(1)
    for number in range(2 * RECENT):
        async with turns.turn(f"client {number}"):
            pass
    assert len(turns.recent) == RECENT
