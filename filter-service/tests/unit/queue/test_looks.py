"""Looks into CHAT that fail: what is known of the queue stays bounded, and the next good look mends it."""

import tracemalloc
from uuid import UUID

from stile_contracts import subjects
from stile_contracts.subjects import Lane, RequestAddress
from stile_filter.errors import UnavailableError
from stile_filter.ops.clock import WallClock
from stile_filter.queue.positions import PositionNotifier
from stile_filter.store import ChatLook, Room
from stile_runtime.fleet import Fleet

NOW = 1_800_000_000.0


def address(number):
    return RequestAddress(Lane.INTERACTIVE, "a", UUID(f"0190a5d0-0000-7000-8000-{number:012}"))


class Chat:
    """CHAT, which can be looked into or not."""

    def __init__(self):
        self.subjects = None

    async def look(self):
        if self.subjects is None:
            raise UnavailableError("no leader")
        return ChatLook(self.subjects, Room(1000, 0), NOW)


class Looks:
    """The queue and its looks."""

    def __init__(self):
        self.chat = Chat()
        self.shown = None
        self.notifier = PositionNotifier(
            Fleet(lambda: 0.0),
            self.chat,
            send=None,
            most=50,
            observer=self,
            clock=lambda: 0.0,
            wall_clock=WallClock(lambda: NOW),
        )

    def queue(self, state):
        self.shown = state


async def test_what_ended_before_many_failed_looks_is_seen_again():
    """A job that was given back lies in CHAT: one good look after many failed ones shows it."""
    looks = Looks()
    looks.notifier.finished(address(1))
    for _ in range(2):
        await looks.notifier.look()
    looks.chat.subjects = [subjects.approved(*address(1))]
    await looks.notifier.look()
    assert looks.shown.interactive.waiting == 1


async def test_failed_looks_keep_nothing_for_ever():
    """However long CHAT can't be looked into, the requests that came and went take no memory."""
    looks = Looks()

    async def come_and_go(numbers):
        for number in numbers:
            looks.notifier.started(address(number))
            looks.notifier.finished(address(number))
            if number % 100 == 0:
                await looks.notifier.look()

    await come_and_go(range(1_000))
    tracemalloc.start()
    try:
        await come_and_go(range(1_000, 10_000))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 500_000, "the subjects of 9,000 requests are over a megabyte"
