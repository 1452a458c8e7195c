"""Positions and estimates in memory if workers serve several models; with one nothing may change."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stile_contracts import subjects
from stile_contracts.messages import Heartbeat
from stile_contracts.subjects import Lane, RequestAddress
from stile_filter.queue.estimate import Estimates, QueuePosition
from stile_filter.queue.speed import Size
from stile_filter.queue.view import ChatView
from stile_runtime.fleet import Fleet

NOW = 1_800_000_000.0
SIZE = Size(400, 90)
"""100 tokens of the prompt at 100 a second, 90 of the answer at 10 a second: ten seconds."""


def job(number, client="a", lane=Lane.INTERACTIVE):
    return RequestAddress(lane, client, UUID(f"0190a5d0-0000-7000-8000-{number:012}"))


class Both:
    """A queue before workers of these models, ten seconds a request each."""

    def __init__(self, *models):
        self.clock = 0.0
        self.workers = Fleet(lambda: self.clock)
        self.queue = ChatView(self.workers.models, lambda: self.clock, lambda: NOW + self.clock)
        self.estimates = Estimates(self.queue, self.workers, lambda: self.clock)
        self.live(*models)

    def live(self, *models):
        for number, model in enumerate(models):
            self.workers.receive(
                Heartbeat(
                    part="consumer",
                    instance=f"w{number}",
                    version="1",
                    ready=True,
                    model=model,
                    service_seconds=10.0,
                    prompt_per_second=100.0,
                    predicted_per_second=10.0,
                    answer_tokens=90.0,
                )
            )

    def add(self, number, model=None, **line):
        subject = subjects.approved(*job(number, **line))
        self.queue.accepted(subject, SIZE, model)
        return self.estimates.position(subject)

    def position(self, number):
        return self.estimates.position(subjects.approved(*job(number)))

    def positions(self):
        return {int(subject[-12:]): position for subject, position in self.estimates.positions()}


def test_a_request_is_behind_what_names_its_model_alone():
    """A long queue of one model is before nobody who waits for the other, whose worker is idle."""
    both = Both("Small", "large")
    assert [both.add(number, "small").position for number in (1, 2, 3)] == [0, 1, 2]
    assert both.add(4, "large") == QueuePosition(0, 0.0)
    assert both.position(3) == QueuePosition(2, 20.0), "one worker, and two requests of ten seconds"
    assert both.positions() == {number: both.position(number) for number in (1, 2, 3, 4)}
    assert both.estimates.state().interactive.waiting == 4


def test_what_names_no_model_stands_where_it_stands_best():
    """Behind the shorter of the two queues; and it is before what comes for either."""
    both = Both("small", "large")
    for number in (1, 2, 3):
        both.add(number, "small")
    both.add(4, "large")
    assert both.add(5) == QueuePosition(1, 10.0)
    assert both.add(6, "large") == QueuePosition(2, 20.0)
    assert both.positions() == {number: both.position(number) for number in range(1, 7)}


def test_what_runs_is_before_those_of_its_workers_model():
    """Whichever worker took what names none: the other one is idle, and stays so in what CHAT holds."""
    both = Both("small", "large")
    for number in (1, 2):
        both.add(number)
    both.queue.started(job(1), "large")
    both.queue.started(job(2), "large")
    assert both.add(3, "small") == QueuePosition(0, 0.0)
    assert both.add(4, "large").position == 2
    held = [subjects.approved(*job(1)), subjects.approved(*job(2))]
    held += [subjects.approved(*job(3), "small"), subjects.approved(*job(4), "large")]
    for _ in range(4):
        both.queue.seen(held)
    assert (both.position(3), both.position(4).position) == (QueuePosition(0, 0.0), 2)
    both.queue.finished(job(1))
    both.queue.finished(job(2))
    assert both.position(4) == QueuePosition(0, 0.0)


def test_a_second_model_is_taken_in_when_it_comes():
    """What was there before is known to its queue, running and waiting; and forgotten when it goes."""
    both = Both("small")
    for number in (1, 2, 3):
        both.add(number)
    both.queue.started(job(1), "small")
    assert both.position(3).position == 2
    both.live("small", "large")
    both.queue.seen([subjects.approved(*job(number)) for number in (1, 2, 3)])
    assert both.position(3).position == 1, "the new worker takes the second, and then the third"
    assert both.add(4, "large").position == 1, "named and unnamed ones are taken by turns: 2, 4, 3"
    both.queue.cancelled("a", job(2).id)
    assert both.position(4).position == 1
    both.queue.finished(job(4))
    both.clock += 6
    both.live("small")
    for _ in range(4):
        both.queue.seen([subjects.approved(*job(number)) for number in (1, 3)])
    assert both.position(3) == QueuePosition(1, 4.0)


def test_what_another_filter_has_approved_is_seen_with_its_model():
    """CHAT's subjects tell it."""
    both = Both("small", "large")
    both.queue.seen([subjects.approved(*job(number), "small") for number in (1, 2)])
    assert {both.position(number).position for number in (1, 2)} == {0, 1}
    assert both.add(3, "large").position == 0


def test_a_model_whose_worker_is_gone_is_waited_for():
    """Its requests have places and no estimate; they are before nobody else."""
    both = Both("large")
    both.add(1, "small")
    assert both.add(2, "small") == QueuePosition(1, None)
    assert both.add(3) == QueuePosition(0, 0.0)


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "take", "finish", "cancel", "see"]), st.integers(1, 8), st.booleans()),
    max_size=40,
)


@given(STEPS)
def test_with_one_model_nothing_changes(steps):
    """Whatever happens, each position and estimate is the same if no worker says which model it serves."""
    told, untold = Both("small", "small"), Both(None, None)
    for step, number, named in steps:
        moved = job(number, client="ab"[number % 2])
        subject = subjects.approved(*moved)
        for both, worker_model in ((told, "small"), (untold, None)):
            match step:
                case "add":
                    both.queue.accepted(subject, SIZE, "small" if named else None)
                case "take":
                    both.queue.started(moved, worker_model)
                case "finish":
                    both.queue.finished(moved)
                case "cancel":
                    both.queue.cancelled(moved.client, moved.id)
                case "see":
                    both.queue.seen([other for other, _ in untold.estimates.positions()])
        assert dict(told.estimates.positions()) == dict(untold.estimates.positions())
        assert told.estimates.state() == untold.estimates.state()


@pytest.mark.parametrize("model", ["small", "large", None])
def test_a_deadline_that_passed_costs_no_model_anything(model):
    """In each queue that the request stands in."""
    both = Both("small", "large")
    both.add(1, model)
    both.add(2, model)
    both.queue.expired(subjects.approved(*job(1)))
    behind = [both.add(number, name) for number, name in ((3, "small"), (4, "large"))]
    assert [position.estimate_seconds for position in behind] == {
        "small": [10.0, 0.0],
        "large": [0.0, 10.0],
        None: [0.0, 0.0],  # a client's named and unnamed requests are taken by turns: 1, 3, 2
    }[model]
