"""Positions in memory: which client is sent which, how they are estimated, and what mends them."""

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
INTERACTIVE, BATCH = Lane.INTERACTIVE, Lane.BATCH


def chat_id(number):
    return UUID(f"0190a5d0-0000-7000-8000-{number:012}")


def job(number, client="a", lane=INTERACTIVE):
    return RequestAddress(lane, client, chat_id(number))


TEN_SECONDS = Size(400, 90)
"""100 tokens of the prompt at 100 a second, 90 of the answer at 10 a second."""


ROOM = Room(1000, 0)


class House:
    """A position notifier, its clocks, and what it sends."""

    def __init__(self, workers=1, most=50, seconds=10.0):
        self.clock, self.errors = 0.0, []
        self.workers = Fleet(lambda: self.clock)
        self.seconds, self.count = seconds, workers
        self.notifier = PositionNotifier(
            self.workers,
            store=None,
            send=None,
            most=most,
            observer=self,
            clock=lambda: self.clock,
            wall_clock=WallClock(lambda: NOW + self.clock),
        )
        self.after(0.0)

    def estimated(self, error_seconds):
        self.errors.append(error_seconds)

    def after(self, seconds):
        self.clock += seconds
        for number in range(self.count):
            self.workers.receive(
                Heartbeat(
                    part="consumer",
                    instance=f"w{number}",
                    version="1",
                    ready=True,
                    service_seconds=self.seconds,
                    prompt_per_second=100.0,
                    predicted_per_second=10.0,
                    answer_tokens=100.0,
                )
            )

    def accept(self, approved, *, wanted=EventLevel.STATE, lasts=600.0):
        deadline = int((NOW + self.clock + lasts) * 1000)
        reply_to = f"_INBOX_gateway.{approved.id.int & 0xFFFF:x}"
        return self.notifier.accepted(
            Subscription(
                subjects.approved(*approved), None, approved.id, reply_to, wanted, TEN_SECONDS, deadline
            )
        )

    def sees(self, subjects, room=ROOM):
        self.notifier.seen(ChatLook(list(subjects), room, NOW + self.clock))

    def told(self):
        said = list(self.notifier.messages())
        for message in said:
            assert message.headers["Chat-Event"] == "position"
            assert message.headers["Chat-Attempt"] == "0"
            assert "Chat-Seq" not in message.headers
            assert message.headers["Chat-Id"] == json.loads(message.body)["id"]
        return {
            UUID(place["id"]).int & 0xFFFF: (place["position"], place.get("estimate_seconds"))
            for place in (json.loads(message.body) for message in said)
        }


@pytest.fixture
def house():
    """One worker that takes ten seconds a request."""
    return House()


def test_each_is_told_when_its_place_changes_and_only_then(house):
    """A start takes nothing from the count, an end moves all up by one; nobody is told the same twice."""
    assert [house.accept(job(number)) for number in (1, 2, 3)] == [
        QueuePosition(0, 0.0),
        QueuePosition(1, 10.0),
        QueuePosition(2, 20.0),
    ]
    assert house.told() == {}
    house.notifier.started(job(1))
    assert house.told() == {}
    house.after(10.0)
    house.notifier.finished(job(1))
    assert house.told() == {2: (0, 0.0), 3: (1, 10.0)}
    house.notifier.started(job(2))
    house.after(4.0)
    house.notifier.finished(job(2))
    assert house.told() == {3: (0, 0.0)}
    assert house.told() == {}


def test_what_runs_counts_by_what_is_left(house):
    """The estimate shrinks while the one before runs, and is never below zero."""
    house.accept(job(1))
    house.notifier.started(job(1))
    house.after(4.0)
    assert house.accept(job(2)) == QueuePosition(1, 6.0)
    house.after(60.0)
    assert house.accept(job(3)) == QueuePosition(2, 10.0)


def test_a_cancelled_one_moves_the_others_up(house):
    """Those behind it, at once; one that runs goes on taking the worker until it has let go."""
    for number in (1, 2, 3):
        house.accept(job(number))
    house.notifier.started(job(1))
    house.notifier.cancelled("a", chat_id(2))
    assert house.notifier.changed.is_set()
    assert house.told() == {3: (1, 10.0)}
    house.notifier.cancelled("a", chat_id(1))
    assert house.told() == {}
    house.notifier.finished(job(1))
    assert house.told() == {3: (0, 0.0)}


def test_a_newcomer_goes_before_the_greedy(house):
    """Another client's first request moves those back that wait behind it."""
    for number in (1, 2, 3):
        house.accept(job(number, "greedy"))
    house.notifier.started(job(1, "greedy"))
    assert house.accept(job(4, "b")) == QueuePosition(1, 10.0)
    assert house.told() == {2: (2, 20.0), 3: (3, 30.0)}


def test_two_workers_halve_the_wait():
    """What is ahead is shared; whoever finds a worker idle does not wait at all."""
    house = House(workers=2)
    standings = [house.accept(job(number)) for number in range(1, 5)]
    assert standings == [
        QueuePosition(0, 0.0),
        QueuePosition(1, 0.0),
        QueuePosition(2, 10.0),
        QueuePosition(3, 15.0),
    ]


def test_who_did_not_want_to_hear_is_told_nothing(house):
    """A plain request hears its answer alone, but takes its place."""
    house.accept(job(1), wanted=EventLevel.NONE)
    house.accept(job(2), wanted=EventLevel.TOKEN)
    house.accept(job(3), wanted=EventLevel.NONE)
    house.notifier.cancelled("a", chat_id(1))
    assert house.told() == {2: (0, 0.0)}


@pytest.mark.parametrize("workers", [0, 1])
def test_without_a_measured_speed_there_is_no_estimate(workers):
    """No worker, or none that has answered yet: the place alone is told, and nothing is made up."""
    house = House(workers=0)
    for number in range(workers):
        beat = Heartbeat(part="consumer", instance=str(number), version="1", ready=True)
        house.workers.receive(beat)
    house.accept(job(1))
    assert house.accept(job(2)) == QueuePosition(1, None)
    assert house.notifier.retry_after() == UNKNOWN_RETRY_AFTER


def test_lanes(house):
    """Three of the interactive lane, those begun counted in, then one of the batch lane."""
    for number in range(1, 5):
        house.accept(job(number))
    house.notifier.started(job(1))
    assert house.accept(job(9, "b", BATCH)) == QueuePosition(3, 30.0)
    state = house.notifier.state()
    assert (state.interactive.waiting, state.batch.waiting, state.running) == (3, 1, 1)
    assert state.interactive.estimate_seconds == 10.0


def test_the_estimates_error_is_noted_at_the_start(house):
    """What was told with «accepted», less the wait there was; once, and for those accepted here alone."""
    house.accept(job(1))
    house.accept(job(2))
    house.notifier.started(job(1))
    house.after(7.0)
    house.notifier.started(job(2))
    house.notifier.started(job(2))
    house.notifier.started(job(3, "elsewhere"))
    assert house.errors == [0.0, 3.0]


def test_what_chat_holds_mends_what_was_not_heard(house):
    """Without a worker's word an answered request leaves with the third look; those of others are seen."""
    for number in (1, 2):
        house.accept(job(number))
    other = subjects.approved(INTERACTIVE, "b", chat_id(3))
    house.sees([other])
    assert house.told() == {2: (2, 20.0)}
    house.sees([subjects.approved(*job(2)), other])
    assert house.told() == {}, "what was accepted a moment ago is not taken back"
    house.sees([subjects.approved(*job(2)), other])
    assert house.told() == {2: (0, 0.0)}
    assert house.notifier.state().interactive.waiting == 2
    for _ in range(2):
        house.sees([])
    assert house.notifier.state().interactive.waiting == 0


def test_an_old_look_brings_nobody_back(house):
    """What left while CHAT was asked is not taken for somebody new."""
    house.accept(job(1))
    house.sees([])
    house.notifier.cancelled("a", chat_id(1))
    house.sees([subjects.approved(*job(1))])
    assert house.notifier.state().interactive.waiting == 0


@pytest.mark.parametrize("answered", [False, True])
def test_a_worker_that_is_faster_than_the_confirmation(house, answered):
    """It was begun, or answered, before this filter heard that CHAT has it: it waits for nothing any more."""
    house.notifier.started(job(1))
    if answered:
        house.notifier.finished(job(1))
    assert house.accept(job(1)) == QueuePosition()
    state = house.notifier.state()
    assert (state.interactive.waiting, state.running) == (0, 0 if answered else 1)


def test_subjects_of_no_request_are_left_out(house):
    """What no filter has approved takes nobody's place."""
    house.sees(["chat.approved.express.a.1", "chat.approved.batch.a.nonsense"])
    assert house.notifier.state().interactive.waiting == house.notifier.state().batch.waiting == 0


def test_a_job_given_back_is_counted_once(house):
    """A worker's death: the second start of the same request changes nobody's turn."""
    house.accept(job(1))
    house.accept(job(2, "b"))
    for _ in range(2):
        house.notifier.started(job(1))
    assert house.notifier.state().running == 1
    assert house.accept(job(3)) == QueuePosition(2, 20.0)


def test_a_passed_deadline_costs_nothing_and_is_told_nothing(house):
    """It keeps its place until a worker has looked at it, but takes no time."""
    house.accept(job(1), lasts=5.0)
    house.accept(job(2))
    house.after(6.0)
    house.sees(subjects.approved(*job(number)) for number in (1, 2))
    house.accept(job(3, "b", BATCH))
    house.notifier.cancelled("a", chat_id(2))
    assert house.told() == {3: (1, 0.0)}


def test_a_clients_places(house):
    """So many may wait or be checked; what is begun gives its place back."""
    house = House(most=2)
    first = subjects.approved(*job(1))
    assert house.notifier.claim(first, "a") is None
    house.accept(job(1))
    house.notifier.release(first, "a")
    assert house.notifier.claim(subjects.approved(*job(2)), "a") is None
    assert house.notifier.claim(subjects.approved(*job(3)), "a") == 1.0
    assert house.notifier.claim(subjects.approved(*job(3, "b")), "b") is None
    assert house.notifier.claim(first, "a") is None, "a repeat takes no second place"
    house.notifier.release(subjects.approved(*job(2)), "a")
    house.notifier.release(first, "a")
    house.accept(job(2))
    house.notifier.started(job(1))
    assert house.notifier.claim(subjects.approved(*job(3)), "a") is None


def test_repeats_leave_room_for_new_requests(house):
    """A filter that restarts checks the repeats of what waits: each is one request, and not two."""
    house = House(most=3)
    for number in (1, 2):
        house.accept(job(number))
        for _ in range(2):
            assert house.notifier.claim(subjects.approved(*job(number)), "a") is None
    assert house.notifier.claim(subjects.approved(*job(3)), "a") is None
    assert house.notifier.claim(subjects.approved(*job(4)), "a") is not None


def test_when_to_come_back(house):
    """For all: when what runs is answered. For a client: when the first of its own is begun."""
    house = House(most=1)
    for number, client in enumerate("abc", 1):
        house.accept(job(number, client))
    house.notifier.started(job(1))
    house.after(3.0)
    assert house.notifier.retry_after() == 7.0
    assert house.notifier.claim(subjects.approved(*job(9, "c")), "c") == 17.0
    house.after(6.5)
    assert house.notifier.retry_after() == 1.0


def test_twenty_clients_do_not_fill_chat(house):
    """Each takes what it may, and whoever comes next, with none, gets a place; its bytes count as well."""
    house = House(most=50)
    house.sees([], Room(places=1000, filled=0))
    numbers = iter(range(1, 10_000))

    def takes(client):
        number = next(numbers)
        subject = subjects.approved(*job(number, client))
        if house.notifier.claim(subject, client) is not None:
            return False
        house.accept(job(number, client))
        house.notifier.release(subject, client)
        return True

    for client in range(20):
        while takes(f"c{client}"):
            pass
    waiting = house.notifier.state().interactive.waiting
    assert 700 < waiting < 1000 - 100
    for client in range(20, 60):
        assert takes(f"c{client}")
    house.sees([], Room(places=1000, filled=0.95))
    assert not takes("c20"), "its bytes are as good as full"
    assert takes("c60")
