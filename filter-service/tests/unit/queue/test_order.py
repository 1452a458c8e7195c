"""The order of the queue: the histories that Rust replays too, and what must hold whatever happens."""

import json
import re
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stile_contracts import models, subjects
from stile_contracts.messages import Heartbeat
from stile_contracts.subjects import Lane, RequestAddress
from stile_filter.queue import order
from stile_filter.queue.estimate import Estimates
from stile_filter.queue.speed import ModelSpeed, Size, Speed
from stile_filter.queue.view import ChatView
from stile_runtime.fleet import Fleet

FIXTURE = json.loads(Path(__file__, "../../../../../contracts/fixtures/v1/order.json").resolve().read_text())
SIZE = Size(400, 90)
SPEED = Speed(5.0, ModelSpeed(prompt=0.01, answer=0.1, answer_tokens=50))
NOW = 1_800_000_000.0


class Replay:
    """A history of the fixture, as a filter sees it."""

    def __init__(self, worker, others):
        self.worker, self.now = worker, NOW
        self.view = ChatView(lambda: {worker, *others} - {None}, lambda: 0.0, self.later)

    def later(self):
        self.now += 1
        return self.now

    def parsed(self, request):
        """Return the address and the model's token; the id is the UUID of the number."""
        lane, client, number, *model = request.split(".")
        return RequestAddress(Lane(lane), client, UUID(int=int(number))), "".join(model) or None

    def starts(self, request, model):
        self.view.started(self.parsed(request)[0], model)

    def take(self, step):
        match step:
            case {"arrives": request}:
                address, model = self.parsed(request)
                self.view.accepted(subjects.approved(*address), SIZE, model)
            case {"takes": request}:
                assert self.order()[:1] == [request] * (request is not None)
                if request is not None:
                    self.starts(request, self.worker)
            case {"starts": request, "model": model}:
                self.starts(request, model)
            case {"crowd": [start, stop]}:
                for number in range(start, stop):
                    self.starts(f"interactive.c{number}.{number}", None)
            case {"ends": request}:
                self.view.finished(self.parsed(request)[0])
            case {"order": requests}:
                assert self.order() == requests
            case _:
                raise AssertionError(f"unknown step: {step}")

    def order(self):
        """Return the order of this worker, or, if its model is not known, of what names none."""
        return [
            ".".join([*entry.queue, str(UUID(entry.id).int), *([entry.model] if entry.model else [])])
            for entry in self.view.order(self.worker)
            if self.worker or entry.model is None
        ]


def models_in(history):
    """Return the models that the history's workers and requests name."""
    named = re.findall(r"\.\d+\.([a-z]+)\"|\"model\": \"([a-z]+)\"", json.dumps(history["steps"]))
    return {token for pair in named for token in pair if token}


@pytest.mark.parametrize("history", FIXTURE["histories"], ids=lambda history: history["name"])
def test_the_histories_that_the_workers_replay_too(history):
    """Each order and each next request is what the fixture says; the consumer's tests say the same."""
    replay = Replay(history["worker"], models_in(history))
    for step in history["steps"]:
        replay.take(step)


def test_the_histories_are_of_this_order():
    """The fixture's bounds are this side's."""
    assert FIXTURE["interactive_share"] == order.INTERACTIVE_SHARE
    assert FIXTURE["remembered_client_queues"] == order.REMEMBERED_CLIENT_QUEUES
    assert FIXTURE["remembered_starts"] == order.REMEMBERED_STARTS
    assert FIXTURE["histories"]
    assert models.is_token("own")


class Queue:
    """A queue before workers that take what the filter says is next."""

    def __init__(self, workers):
        self.workers, self.arrived = workers, 0
        self.fleet = Fleet(lambda: 0.0)
        for number in range(workers):
            beat = Heartbeat(
                part="consumer", instance=f"{number}", version="1", ready=True, service_seconds=5.0
            )
            speed = {"prompt_per_second": 100.0, "predicted_per_second": 10.0, "answer_tokens": 50.0}
            self.fleet.receive(beat.model_copy(update=speed))
        self.view = ChatView(self.fleet.models, lambda: 0.0, self.later)
        self.estimates = Estimates(self.view, self.fleet, lambda: 0.0)

    def later(self):
        self.arrived += 1
        return NOW + self.arrived

    def take_in(self, number, step):
        match step:
            case "begin":
                if len(self.view.in_flight) < self.workers:
                    self.begin()
            case ("finish", index):
                self.end(self.view.in_flight, index)
            case ("cancel", index):
                self.end(self.view.waiting, index)
            case (lane, client, keyed, model):
                # Ids of keyed requests are in no order; those without a key sort by time.
                self.arrive(lane, client, (number * 7919) % 10_007 if keyed else 20_000 + number, model)

    def arrive(self, lane, client, number, model=None):
        subject = subjects.approved(lane, client, UUID(int=number))
        self.view.accepted(subject, Size(number * 13 % 200, 1 + number * 7 % 90), model)
        return subject

    def begin(self):
        first = next(iter(self.view.order()), None)
        if first is not None:
            self.view.started(subjects.parse_approved(first.subject))
        return first

    def end(self, entries, index):
        if entries:
            self.view.finished(subjects.parse_approved(list(entries)[index % len(entries)]))


ARRIVALS = st.tuples(
    st.sampled_from(Lane), st.sampled_from("abcde"), st.booleans(), st.sampled_from(["own", None])
)
CHANGES = st.one_of(
    ARRIVALS, st.just("begin"), st.tuples(st.sampled_from(["finish", "cancel"]), st.integers(0, 99))
)


@settings(max_examples=300, deadline=None)
@given(
    crowd=st.lists(ARRIVALS, min_size=5, max_size=40),
    changes=st.lists(CHANGES, max_size=20),
    workers=st.sampled_from([1, 2]),
    remembered=st.sampled_from([order.REMEMBERED_CLIENT_QUEUES, 3]),
)
def test_positions_are_the_order_of_the_starts(crowd, changes, workers, remembered):
    """Whatever came, started, ended or was cancelled before: each position is how many start before it.

    With one worker and with two; both lanes; ids in the order of arrival and not; some name the
    model; clients are forgotten or not. The order is foretold once; then each start is the one that is next.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "REMEMBERED_CLIENT_QUEUES", remembered)
        play(Queue(workers), crowd, changes)


def play(queue, crowd, changes):
    """Let everything happen, foretell the rest, and start it."""
    workers = queue.workers
    for number, step in enumerate([*crowd, *changes]):
        queue.take_in(number, step)
        dict(queue.estimates.positions())  # what is kept of this must not be of use too long
    foretold = queue.view.order()
    assert {entry.subject for entry in foretold} == set(queue.view.waiting)
    in_flight = len(queue.view.in_flight)
    seconds = sum(SPEED.seconds(entry.size) for entry in queue.view.in_flight.values())
    for rank, entry in enumerate(foretold):
        position = queue.estimates.position(entry.subject)
        assert position.position == in_flight + rank
        idle = position.position < workers
        assert position.estimate_seconds == pytest.approx(0 if idle else seconds / workers, abs=0.06)
        seconds += SPEED.seconds(entry.size)

    begun = []
    while len(begun) < len(foretold):
        while len(queue.view.in_flight) < workers and (entry := queue.begin()):
            begun.append(entry)
        queue.end(queue.view.in_flight, len(begun))  # with two workers not always the one that started first
    assert begun == foretold


@given(crowd=st.lists(ARRIVALS, max_size=40), begun=st.integers(0, 20), lane=st.sampled_from(Lane))
def test_a_newcomers_wait(crowd, begun, lane):
    """What is sent of a lane is the wait of a client that comes next and was never served."""
    queue = Queue(1)
    for number, arrival in enumerate(crowd):
        queue.take_in(number, (*arrival[:2], False, None))
    for _ in range(begun):
        queue.begin()
    state = queue.estimates.state()
    newcomer = queue.arrive(lane, "newcomer", 99_999)
    told = state.interactive if lane is Lane.INTERACTIVE else state.batch
    assert queue.estimates.position(newcomer).estimate_seconds == told.estimate_seconds


def test_an_order_is_made_once_for_each_change(monkeypatch):
    """However many positions are looked up in between."""
    made, service_order = [], order.service_order

    def counted(*arguments):
        made.append(arguments)
        return service_order(*arguments)

    monkeypatch.setattr("stile_filter.queue.view.service_order", counted)
    queue = Queue(1)
    for number in range(1000):
        queue.arrive(Lane.INTERACTIVE, f"c{number % 10}", number)
    assert not made
    for subject in list(queue.view.waiting):
        assert queue.estimates.position(subject).position is not None
    assert len(made) == 1
    queue.begin()
    made.clear()
    assert len(dict(queue.estimates.positions())) == 999
    assert len(made) == 1
