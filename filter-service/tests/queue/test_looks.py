"""Looks into CHAT that fail: what is known of the queue stays bounded, and the next good look mends it."""

import tracemalloc
from uuid import UUID

from stile_contracts import subjects
from stile_contracts.subjects import Lane, RequestAddress
from stile_filter.clock import WallClock
from stile_filter.errors import UnavailableError
from stile_filter.rounds import Rounds
from stile_filter.usher import ChatLook, Room, Usher
from stile_filter.workers import Workers

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
        self.queue = Usher(Workers(lambda: 0.0), 50, self, clock=lambda: 0.0, now=lambda: NOW)
        self.rounds = Rounds(self.queue, self.chat, None, lambda _: None, WallClock(lambda: NOW))

    def estimated(self, error_seconds):
        raise AssertionError("nothing was accepted here")


async def test_what_ended_before_many_failed_looks_is_seen_again():
    """A job that was given back lies in CHAT: it is known after one good look, as it is without failed ones."""
    looks = Looks()
    looks.queue.finished(address(1))
    for _ in range(2):
        await looks.rounds.look()
    looks.chat.subjects = [subjects.approved(*address(1))]
    await looks.rounds.look()
    assert looks.queue.state().interactive.waiting == 1


async def test_failed_looks_keep_nothing_for_ever():
    """However long CHAT can't be looked into, the requests that came and went take no memory."""
    looks = Looks()

    async def come_and_go(numbers):
        for number in numbers:
            looks.queue.started(address(number))
            looks.queue.finished(address(number))
            if number % 100 == 0:
                await looks.rounds.look()

    await come_and_go(range(1_000))
    tracemalloc.start()
    try:
        await come_and_go(range(1_000, 10_000))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 500_000, "the subjects of 9,000 requests are over a megabyte"
