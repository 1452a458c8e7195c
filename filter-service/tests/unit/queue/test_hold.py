"""The queue in memory while it is on hold, and what the console sees of it."""

import json
from uuid import UUID

import pytest

from stile_contracts import subjects
from stile_contracts.messages import EventLevel, Heartbeat
from stile_contracts.subjects import Lane, RequestAddress
from stile_filter.ops.clock import WallClock
from stile_filter.queue.estimate import UNKNOWN_RETRY_AFTER, QueuePosition
from stile_filter.queue.positions import PositionNotifier, Subscription
from stile_filter.queue.speed import Size
from stile_filter.store import ChatLook, Room
from stile_runtime.fleet import Fleet

NOW = 1_800_000_000.0


def job(number, client="a", lane=Lane.INTERACTIVE):
    return RequestAddress(lane, client, UUID(f"0190a5d0-0000-7000-8000-{number:012}"))


class Queue:
    """A position notifier with one worker that takes ten seconds a request."""

    def __init__(self):
        self.clock = 0.0
        fleet = Fleet(lambda: self.clock)
        self.notifier = PositionNotifier(
            fleet,
            store=None,
            send=None,
            most=50,
            observer=self,
            clock=lambda: self.clock,
            wall_clock=WallClock(lambda: NOW + self.clock),
        )
        fleet.receive(
            Heartbeat(
                part="consumer",
                instance="w",
                version="1",
                ready=True,
                model="SmolLM2",
                service_seconds=10.0,
            )
        )
        self.known = []

    def estimated(self, _):
        pass

    def accept(self, approved):
        self.known.append(subjects.approved(*approved))
        request = Subscription(
            self.known[-1],
            None,
            approved.id,
            "_INBOX_gateway.x",
            EventLevel.STATE,
            Size(4, 1),
            int(NOW + 600) * 1000,
        )
        return self.notifier.accepted(request)

    def look(self, *, held):
        found = [*self.known, *([subjects.HOLD] if held else [])]
        self.notifier.seen(ChatLook(found, Room(1000, 0), NOW + self.clock))

    def told(self):
        return [json.loads(message.body) for message in self.notifier.messages()]


@pytest.fixture
def queue():
    """An empty queue."""
    return Queue()


def test_a_position_on_hold_has_no_estimate(queue):
    """The worker is idle, but nobody knows when it may start."""
    queue.look(held=True)
    assert queue.notifier.held
    assert queue.accept(job(1)) == QueuePosition(0, None, held=True)
    assert queue.accept(job(2)) == QueuePosition(1, None, held=True)
    assert queue.notifier.retry_after() == UNKNOWN_RETRY_AFTER
    assert queue.notifier.state().interactive.estimate_seconds is None


def test_those_that_wait_are_told_when_a_hold_begins_and_ends(queue):
    """Once each, although their positions stay the same."""
    queue.accept(job(1))
    queue.accept(job(2))
    queue.look(held=False)
    assert queue.told() == []
    queue.look(held=True)
    assert [(place["position"], place["held"]) for place in queue.told()] == [(0, True), (1, True)]
    queue.look(held=True)
    assert queue.told() == []
    queue.look(held=False)
    said = queue.told()
    assert [(place["position"], place["estimate_seconds"]) for place in said] == [(0, 0.0), (1, 10.0)]
    assert all("held" not in place for place in said)


def test_the_hold_is_no_request(queue):
    """It takes no position, and is in no list."""
    queue.look(held=True)
    listing = queue.notifier.listing()
    assert (listing.held, listing.running, listing.waiting, listing.waiting_count) == (True, [], [], 0)


def test_the_list_has_who_is_answered_and_who_waits(queue):
    """In the order of the service, with the models' names and the seconds."""
    queue.accept(job(1, "anna"))
    queue.notifier.started(job(1, "anna"), "smollm2")
    queue.clock += 1.5
    queue.accept(job(2, "anna"))
    queue.accept(job(3, "bob", Lane.BATCH))
    queue.accept(job(4, "carl"))
    queue.clock += 2.0
    listing = queue.notifier.listing()
    assert listing.now_ms == int((NOW + 3.5) * 1000)
    [running] = listing.running
    assert (running.client, running.model, running.seconds, running.position) == (
        "anna",
        "SmolLM2",
        3.5,
        None,
    )
    assert [(one.client, one.lane, one.position, one.seconds) for one in listing.waiting] == [
        ("carl", "interactive", 1, 2.0),
        ("anna", "interactive", 2, 2.0),
        ("bob", "batch", 3, 2.0),
    ]
    assert listing.waiting_count == 3
