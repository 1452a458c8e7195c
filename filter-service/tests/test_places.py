"""Places in the queue against the workers' own order, played through request by request."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stile_contracts.subjects import Lane
from stile_filter.fair import Line
from stile_filter.places import Places, Request
from stile_filter.speed import ModelSpeed, Size, Speed

SPEED = Speed(5.0, ModelSpeed(prompt=0.01, answer=0.1, answer_tokens=50))


@dataclass
class Job:
    """A request in the stream of the workers."""

    lane: Lane
    client: str
    id: str
    running: bool = False


class Workers:
    """``rust-consumer/src/fair``, word for word: each choice sorts the lines that have requests anew."""

    def __init__(self):
        self.jobs, self.served, self.starts, self.interactive = [], {}, 0, 0

    def take(self):
        lines = {}
        for job in self.jobs:
            line = (job.lane, job.client)
            lines[line] = min(job.id, lines.get(line, job.id))
        interactive = [line for line in lines if line[0] is Lane.INTERACTIVE]
        batch = [line for line in lines if line[0] is Lane.BATCH]
        if not batch:
            self.interactive = 0
        for lane in (interactive, batch):
            lane.sort(key=lambda line: (self.served.get(line, 0), lines[line], line[1]))
        order = batch + interactive if self.interactive >= 3 else interactive + batch
        for lane, client in order:
            # A line's consumer gives its requests in the stream's order, and none that is in somebody's hand.
            mine = (job for job in self.jobs if (job.lane, job.client) == (lane, client))
            if job := next((job for job in mine if not job.running), None):
                job.running = True
                self.interactive = self.interactive + 1 if lane is Lane.INTERACTIVE else 0
                self.starts += 1
                self.served[lane, client] = self.starts
                return job
        return None

    def answered(self, job):
        self.jobs.remove(job)


class Both:
    """The same queue for the workers and for the filter."""

    def __init__(self):
        self.workers, self.places, self.requests, self.running = Workers(), Places(), {}, []
        self.places.measured(SPEED)

    def take_in(self, number, step, workers):
        match step:
            case "begin":
                if len(self.running) < workers:
                    self.begin()
            case ("finish", index):
                self.finish(index)
            case ("cancel", index):
                self.cancel(index)
            case (lane, client, keyed):
                self.arrive(lane, client, number, keyed)

    def waiting(self):
        return [self.requests[job.id] for job in self.workers.jobs if not job.running]

    def arrive(self, lane, client, number, keyed):
        # Ids of keyed requests are in no order; those without a key sort by time.
        chat_id = f"{(number * 7919) % 10_007 if keyed else number:08}"
        if chat_id in self.requests:
            return
        self.workers.jobs.append(Job(lane, client, chat_id))
        size = Size(number * 13 % 200, 1 + number * 7 % 90)
        request = Request(f"{lane}.{client}.{chat_id}", chat_id, Line(lane, client), number, size)
        self.requests[chat_id] = request
        self.places.add(request)

    def begin(self):
        job = self.workers.take()
        if job is None:
            return None
        request = self.requests[job.id]
        if job.lane is Lane.INTERACTIVE and all(other.lane is not Lane.BATCH for other in self.workers.jobs):
            self.places.no_batch()
        self.places.remove(request)
        self.places.started(request.line, request.subject)
        self.running.append(job)
        return job.id

    def finish(self, index):
        if self.running:
            job = self.running.pop(index % len(self.running))
            self.workers.answered(job)
            del self.requests[job.id]

    def cancel(self, index):
        waiting = self.waiting()
        if waiting:
            request = waiting[index % len(waiting)]
            self.workers.answered(next(job for job in self.workers.jobs if job.id == request.id))
            self.places.remove(self.requests.pop(request.id))


ARRIVALS = st.tuples(st.sampled_from(Lane), st.sampled_from("abcde"), st.booleans())
CHANGES = st.one_of(
    ARRIVALS, st.just("begin"), st.tuples(st.sampled_from(["finish", "cancel"]), st.integers(0, 99))
)


@settings(max_examples=300, deadline=None)
@given(
    crowd=st.lists(ARRIVALS, min_size=5, max_size=40),
    changes=st.lists(CHANGES, max_size=20),
    workers=st.sampled_from([1, 2]),
)
def test_places_are_the_workers_order(crowd, changes, workers):
    """Whatever came, was begun, answered or cancelled before: each place is how many are begun before it.

    With one worker and with two; both lanes; ids in the order of arrival and not. What is before each is
    counted in two ways, and both are compared with a play of the workers.
    """
    both = Both()
    for number, step in enumerate([*crowd, *changes]):
        both.take_in(number, step, workers)
        for request in both.waiting():
            both.places.ahead(request)  # what it keeps of this must not be of use too long
    waiting = {request.id: request for request in both.waiting()}
    counted = {chat_id: both.places.ahead(request) for chat_id, request in waiting.items()}
    ordered = {request.id: ahead for request, ahead in both.places.order()}
    assert len(both.places) == len(waiting)

    begun = []
    while len(begun) < len(waiting):
        while len(both.running) < workers and (chat_id := both.begin()):
            begun.append(chat_id)
        both.finish(len(begun))  # with two workers not always the one that was begun first

    assert list(ordered) == begun
    seconds = 0.0
    for place, chat_id in enumerate(begun):
        assert counted[chat_id].requests == ordered[chat_id].requests == place
        assert counted[chat_id].seconds == pytest.approx(seconds)
        assert ordered[chat_id].seconds == pytest.approx(seconds)
        seconds += SPEED.seconds(waiting[chat_id].size)


@given(crowd=st.lists(ARRIVALS, max_size=40), begun=st.integers(0, 20), lane=st.sampled_from(Lane))
def test_a_newcomers_place(crowd, begun, lane):
    """What is told of a lane is where a client stands that comes next and was never served."""
    both = Both()
    for number, arrival in enumerate(crowd):
        both.arrive(*arrival[:2], number, keyed=False)
    for _ in range(begun):
        both.begin()
    told = both.places.ahead_of_newcomer(lane)
    both.arrive(lane, "newcomer", 9_999, keyed=False)
    assert both.places.ahead(both.requests["00009999"]) == told


def test_a_place_costs_no_walk_through_the_queue():
    """With a thousand that wait, a place is found by looking at each client once, not at each request."""
    both = Both()
    for number in range(1000):
        both.arrive(Lane.INTERACTIVE, f"c{number % 10}", number, keyed=False)
    last = both.requests["00000999"]
    both.places.ahead(last)
    looked_at = []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Speed, "seconds", lambda _, size: looked_at.append(size) or 1.0)
        both.arrive(Lane.INTERACTIVE, "c9", 1000, keyed=False)
        assert both.places.ahead(both.requests["00001000"]).requests == 1000
    assert len(looked_at) == 1
