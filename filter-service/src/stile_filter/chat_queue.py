"""CHAT as this filter sees it: who waits, who runs, and how long that takes.

It follows what is approved here and what the workers tell; whatever it did not hear is mended by what CHAT
itself holds (``seen``). Free of the network; ``docs/protocol.md``, "Places", is its text.

A request is called by its subject without a model's token (``subjects.approved``): that names it uniquely.
"""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from stile_contracts import subjects
from stile_contracts.messages import LaneState, QueueState
from stile_contracts.subjects import Lane, RequestAddress
from stile_filter.fair import Line
from stile_filter.places import Ahead, Places, Request
from stile_filter.speed import Size, Speed, mean_speed
from stile_runtime.fleet import Fleet

UNKNOWN_RETRY_AFTER = 5.0
"""What is told while no consumer has said how long it takes, in seconds."""

_SHORTEST_RETRY_AFTER = 1.0
_NOTHING = Size(0, 0)
_UUID7 = 7


class Standing(NamedTuple):
    """Where a request stands; each part is None where it is not known."""

    position: int | None = None
    """How many requests are answered before it."""
    estimate_seconds: float | None = None
    """Until it is begun."""


class _Measured(NamedTuple):
    """What is before all that wait, and how fast it goes."""

    running: int
    left: float
    """Seconds until what runs is answered, summed up."""
    workers: int
    speed: Speed | None

    def standing(self, ahead: Ahead) -> Standing:
        position = self.running + ahead.requests
        if position < self.workers:
            return Standing(position, 0.0)  # one of them is idle
        if not self.workers or self.speed is None:
            return Standing(position)
        return Standing(position, round((self.left + ahead.seconds) / self.workers, 1))


@dataclass(slots=True)
class _Running:
    """A request that a worker has taken up."""

    request: Request
    since: float


class ChatQueue:
    """The approved requests that have no outcome yet.

    Args:
        fleet: the workers that live, and their speed.
        clock: a monotonic clock, in seconds.
        now: the time, in seconds since the Unix epoch.
        model: the token of a model: only the workers that serve it count.
    """

    def __init__(
        self,
        fleet: Fleet,
        clock: Callable[[], float],
        now: Callable[[], float],
        model: str | None = None,
    ) -> None:
        self._fleet = fleet
        self._model = model
        self._clock = clock
        self._now = now
        self._places = Places()
        self._requests: dict[str, Request] = {}
        self._running: dict[str, _Running] = {}
        self._lately: tuple[set[str], set[str]] = (set(), set())

    def __len__(self) -> int:
        return len(self._requests)

    def __contains__(self, subject: str) -> bool:
        return subject in self._requests

    def waits(self, subject: str) -> bool:
        """Tell whether a request waits."""
        return subject in self._requests and subject not in self._running

    def waiting_of(self, client: str) -> int:
        """Return how many of a client's requests wait."""
        return self._places.count_of(client)

    def take_in(self, known: Request, runs_since: float | None) -> None:
        """Take in a request as another queue knows it, and since when it runs; it is not known here."""
        subject = known.subject
        own = self._enter(subject, subjects.parse_approved(subject), known.arrived, known.size)
        if runs_since is not None:
            self._places.remove(own)
            self._running[subject] = _Running(own, runs_since)

    def approved(self, subject: str, size: Size) -> None:
        """Take in that CHAT holds a request; it may have been answered before its confirmation was heard."""
        if subject not in self._requests:
            if subject not in self._lately[0] and subject not in self._lately[1]:
                self._enter(subject, subjects.parse_approved(subject), self._now(), size)
                self._lately[1].add(subject)
        elif subject not in self._running:
            self._places.resize(self._requests[subject], size)

    def started(self, moved: RequestAddress) -> None:
        """Take in that a worker has taken a request up, for the first time or again."""
        subject = subjects.approved(*moved)
        request = self._requests.get(subject) or self._enter(subject, moved, self._now(), None)
        if moved.lane is Lane.INTERACTIVE and not self._has_batch():
            self._places.no_batch()
        if subject not in self._running:
            self._places.remove(request)
        self._running[subject] = _Running(request, self._clock())
        self._places.started(request.line, subject)

    def started_elsewhere(self, moved: RequestAddress) -> None:
        """Take in that a worker that is none of these has taken a request up: it is before nobody here."""
        subject = subjects.approved(*moved)
        self._leave(subject)
        self._places.started(Line(moved.lane, moved.client), subject, ours=False)

    def finished(self, moved: RequestAddress) -> None:
        """Take in that a request has its outcome."""
        self._leave(subjects.approved(*moved))

    def cancelled(self, client: str, chat_id: UUID) -> None:
        """Take in that a request is wanted no more; one that runs leaves once its worker has let go of it."""
        for lane in Lane:
            subject = subjects.approved(lane, client, chat_id)
            if self.waits(subject):
                self._leave(subject)

    def expired(self, subject: str) -> None:
        """Take in that the deadline of a request that waits has passed: it will cost the model nothing."""
        self._places.resize(self._requests[subject], _NOTHING)

    def seen(self, held: Iterable[str]) -> None:
        """Mend what is known by the subjects that CHAT held a moment ago; call it every few seconds.

        What came or left since the time before last is left as it is: that may be newer.
        """
        places = {}
        for subject in held:
            with contextlib.suppress(ValueError):  # the workers leave it out as well
                approved = subjects.parse_approved(subject)
                places[subjects.approved(*approved)] = approved
        lately = self._lately[0] | self._lately[1]
        for subject in self._requests.keys() - places.keys() - lately:
            self._leave(subject)
        self._lately = (self._lately[1], set())
        for subject in places.keys() - self._requests.keys() - lately:
            approved = places[subject]
            self._enter(subject, approved, _made(approved.id) or self._now(), None)

    def standing(self, subject: str) -> Standing:
        """Tell where a request stands: O(lines); nothing is known of one that does not wait."""
        if not self.waits(subject):
            return Standing()
        return self._measure().standing(self._places.ahead(self._requests[subject]))

    def standings(self) -> Iterable[tuple[str, Standing]]:
        """Give all that wait, by their subjects, and where they stand: O(requests)."""
        measured = self._measure()
        for request, ahead in self._places.order():
            yield request.subject, measured.standing(ahead)

    def state(self) -> QueueState:
        """Return the queue as it is now."""
        measured = self._measure()
        return QueueState(
            interactive=self._lane(Lane.INTERACTIVE, measured),
            batch=self._lane(Lane.BATCH, measured),
            running=len(self._running),
        )

    def retry_after(self) -> float:
        """Return in how many seconds a place in CHAT is free: when the first that runs is answered."""
        speed, count = self._workers()
        if speed is None or not count:
            return UNKNOWN_RETRY_AFTER
        return max(_SHORTEST_RETRY_AFTER, min(self._left(speed), default=speed.service))

    def client_retry_after(self, client: str) -> float:
        """Return in how many seconds one of the requests of ``client`` that wait is begun."""
        measured = self._measure()
        firsts = [measured.standing(self._places.ahead(first)) for first in self._places.firsts_of(client)]
        known = [first.estimate_seconds for first in firsts if first.estimate_seconds is not None]
        return max(_SHORTEST_RETRY_AFTER, min(known)) if known else UNKNOWN_RETRY_AFTER

    def _enter(self, subject: str, approved: RequestAddress, arrived: float, size: Size | None) -> Request:
        line = Line(approved.lane, approved.client)
        request = self._requests[subject] = Request(subject, str(approved.id), line, arrived, size)
        self._places.add(request)
        return request

    def _leave(self, subject: str) -> None:
        self._lately[1].add(subject)
        request = self._requests.pop(subject, None)
        if request is None:
            return
        if self._running.pop(subject, None) is None:
            self._places.remove(request)
        if not self._places and not self._has_batch():
            self._places.no_batch()  # a worker with nothing to do looks every second

    def _has_batch(self) -> bool:
        running = any(running.request.line.lane is Lane.BATCH for running in self._running.values())
        return running or self._places.count(Lane.BATCH) > 0

    def _measure(self) -> _Measured:
        speed, count = self._workers()
        self._places.measured(speed)
        left = sum(self._left(speed)) if speed else 0.0
        return _Measured(len(self._running), left, count, speed)

    def _workers(self) -> tuple[Speed | None, int]:
        """Return the workers' mean speed, and how many are ready."""
        alive = self._fleet.alive("consumer", self._model)
        return mean_speed(alive), sum(heartbeat.ready for heartbeat in alive)

    def _left(self, speed: Speed) -> list[float]:
        """Return for each request that runs in how many seconds it is answered."""
        now = self._clock()
        return [
            max(0.0, speed.seconds(running.request.size) - (now - running.since))
            for running in self._running.values()
        ]

    def _lane(self, lane: Lane, measured: _Measured) -> LaneState:
        newcomer = measured.standing(self._places.ahead_of_newcomer(lane))
        return LaneState(waiting=self._places.count(lane), estimate_seconds=newcomer.estimate_seconds)


def _made(chat_id: UUID) -> float | None:
    """Read off a UUIDv7 when it was made, in seconds since the Unix epoch (RFC 9562, 5.7)."""
    return (chat_id.int >> 80) / 1000 if chat_id.version == _UUID7 else None
