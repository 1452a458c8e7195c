"""Clients take turns, whoever came first and however much one of them wants."""

import asyncio

from stile_filter.turns import Turns


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
    """Not for all of them."""
    working = Working(1)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(working.work("alice", "long", slices=20))
        tasks.create_task(working.work("bob", "short"))
    assert working.order.index("short") == 1


async def test_no_more_than_the_places_at_once():
    """And all of them are used."""
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
