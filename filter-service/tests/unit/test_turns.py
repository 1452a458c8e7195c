"""Clients take turns, whoever came first and however much one of them wants."""

import asyncio

import pytest

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


async def test_a_client_with_many_has_one_turn_in_each_round():
    """Eight requests of one client do not make another one wait for eight slices."""
    working = Working(1)
    async with asyncio.TaskGroup() as tasks:
        for number in range(8):
            tasks.create_task(working.work("alice", f"long {number}", slices=5))
        tasks.create_task(working.work("bob", "short", slices=3))
    shorts = [at for at, name in enumerate(working.order) if name == "short"]
    assert shorts[0] <= 2
    assert all(after - before == 2 for before, after in zip(shorts, shorts[1:], strict=False))


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


@pytest.mark.parametrize("how", ["timeout", "cancelled", "cancelled with its turn"])
async def test_who_leaves_takes_no_place(how):
    """One that waits too long or is cancelled, also in the moment of its turn, leaves the place to others."""
    turns = Turns(1)
    entered = asyncio.Event()

    async def hold():
        async with turns.turn("alice"):
            entered.set()
            await asyncio.Event().wait()

    async def wait(within=None):
        async with turns.turn("bob", within):
            raise AssertionError("it left")

    holding = asyncio.create_task(hold())
    await entered.wait()
    if how == "timeout":
        with pytest.raises(TimeoutError):
            await wait(0.0)
        holding.cancel()
    else:
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        if how == "cancelled":
            waiting.cancel()
            await asyncio.wait([waiting])
            holding.cancel()
        else:
            holding.cancel()
            await asyncio.wait([holding])
            waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await asyncio.wait([holding])
    async with asyncio.timeout(5), turns.turn("carol"):
        pass
