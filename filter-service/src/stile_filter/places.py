"""Who waits in CHAT, and what is before each of them. Pure: no network, no clock.

Within a lane the workers go round its lines, (lane, client) pairs, so what is before a request can be counted
line by line, without playing the whole queue through: of a line whose turn is sooner so many requests are
begun before a line's n-th as n, of the others one less. What the other lane puts in between follows from
the lanes' share (``fair``).
"""

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from operator import attrgetter
from typing import NamedTuple

from stile_contracts.subjects import Lane
from stile_filter.fair import INTERACTIVE_SHARE, Line, Turn, Turns, batch_before, interactive_before
from stile_filter.speed import Size, Speed

_NEWCOMER: Turn = (0, "~", "")
"""Never served, and no id is greater: where the next new client's line will stand."""


@dataclass(slots=True, eq=False)
class Request:
    """An approved request."""

    subject: str
    """In CHAT, without a model's token: names it uniquely."""
    id: str
    line: Line
    arrived: float
    """Requests of a line are begun in this order."""
    size: Size | None = None
    """None where another filter has approved it."""


class Ahead(NamedTuple):
    """What is begun before a request, of those that wait."""

    requests: int
    seconds: float
    """What they take one worker; 0 where no speed is known."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """The waiting requests of one line."""

    line: Line
    requests: list[Request] = field(default_factory=list)
    least: str = "~"
    turn: Turn = _NEWCOMER
    _sums: list[float] = field(default_factory=lambda: [0.0])

    def __len__(self) -> int:
        return len(self.requests)

    def add(self, request: Request) -> None:
        insort(self.requests, request, key=attrgetter("arrived"))
        if request is not self.requests[-1]:
            self.forget_costs()
        self.least = min(self.least, request.id)

    def remove(self, request: Request) -> None:
        if request is not self.requests[-1]:
            self.forget_costs()
        self.requests.remove(request)
        del self._sums[len(self.requests) + 1 :]
        if request.id == self.least:
            self.least = min((other.id for other in self.requests), default="~")

    def forget_costs(self) -> None:
        self._sums = [0.0]

    def seconds(self, count: int, speed: Speed | None) -> float:
        """Sum up what the first ``count`` take; what was summed up once is kept."""
        if speed is None:
            return 0.0
        while len(self._sums) <= count:
            self._sums.append(self._sums[-1] + speed.seconds(self.requests[len(self._sums) - 1].size))
        return self._sums[count]


class Places:
    """The approved requests that wait, in the order in which the workers will begin them."""

    def __init__(self) -> None:
        self._turns = Turns()
        self._speed: Speed | None = None
        self._lanes: dict[Lane, dict[str, _Waiting]] = {lane: {} for lane in Lane}
        self._counts = dict.fromkeys(Lane, 0)

    def __len__(self) -> int:
        return sum(self._counts.values())

    def count(self, lane: Lane) -> int:
        """Return how many wait in ``lane``."""
        return self._counts[lane]

    def firsts_of(self, client: str) -> list[Request]:
        """Return which of a client's requests is begun first, in each lane."""
        return [lane[client].requests[0] for lane in self._lanes.values() if client in lane]

    def count_of(self, client: str) -> int:
        """Return how many of a client's requests wait."""
        return sum(len(lane[client]) for lane in self._lanes.values() if client in lane)

    def measured(self, speed: Speed | None) -> None:
        """Take in how fast requests are answered now."""
        if speed != self._speed:
            self._speed = speed
            for line in self._all():
                line.forget_costs()

    def add(self, request: Request) -> None:
        """Take in a request that waits."""
        lane, client = request.line
        line = self._lanes[lane].get(client)
        if line is None:
            line = self._lanes[lane][client] = _Waiting(request.line)
        line.add(request)
        line.turn = self._turns.turn(request.line, line.least)
        self._counts[lane] += 1

    def remove(self, request: Request) -> None:
        """Take out a request that waits no more, begun or not."""
        lane, client = request.line
        line = self._lanes[lane][client]
        line.remove(request)
        self._counts[lane] -= 1
        if line.requests:
            line.turn = self._turns.turn(line.line, line.least)
        else:
            del self._lanes[lane][client]

    def started(self, line: Line, request: str, *, ours: bool = True) -> None:
        """Count that a worker, one of ours or another, has taken up ``request``, which does not wait here."""
        self._turns.started(line, request, ours=ours)
        if waiting := self._lanes[line.lane].get(line.client):
            waiting.turn = self._turns.turn(line, waiting.least)

    def resize(self, request: Request, size: Size) -> None:
        """Take in that a request that waits asks as much of the model."""
        request.size = size
        self._lanes[request.line.lane][request.line.client].forget_costs()

    def no_batch(self) -> None:
        """Count that the batch lane has no work, neither waiting nor running."""
        self._turns.no_batch()

    def ahead(self, request: Request) -> Ahead:
        """Tell what is begun before ``request``: O(lines), and O(its own line)."""
        line = self._lanes[request.line.lane][request.line.client]
        return self._ahead(request.line.lane, line.turn, line.requests.index(request), line)

    def ahead_of_newcomer(self, lane: Lane) -> Ahead:
        """Tell what is begun before the first request of a client that was never served."""
        return self._ahead(lane, _NEWCOMER, 0, None)

    def order(self) -> Iterator[tuple[Request, Ahead]]:
        """Give all that wait in the order in which they are begun, and what is before each: O(requests)."""
        seconds = 0.0
        for count, request in enumerate(self._merged()):
            yield request, Ahead(count, seconds)
            if self._speed is not None:
                seconds += self._speed.seconds(request.size)

    def _merged(self) -> Iterator[Request]:
        interactive, before_batch = self._round(Lane.INTERACTIVE), self._turns.before_batch
        for batched in self._round(Lane.BATCH):
            yield from islice(interactive, before_batch)
            yield batched
            before_batch = INTERACTIVE_SHARE
        yield from interactive

    def _ahead(self, lane: Lane, turn: Turn, nth: int, own: _Waiting | None) -> Ahead:
        rank, seconds = 0, 0.0
        for line in self._lanes[lane].values():
            begun = min(len(line), nth + 1 if line is not own and line.turn < turn else nth)
            if begun:
                rank += begun
                seconds += line.seconds(begun, self._speed)
        if lane is Lane.INTERACTIVE:
            other, between = Lane.BATCH, batch_before(rank, self._turns.before_batch)
        else:
            other, between = Lane.INTERACTIVE, interactive_before(rank, self._turns.before_batch)
        between = min(between, self._counts[other])
        return Ahead(rank + between, seconds + self._seconds_of_first(other, between))

    def _seconds_of_first(self, lane: Lane, count: int) -> float:
        """Sum up what the first ``count`` of ``lane`` take."""
        if not count or self._speed is None:
            return 0.0
        lines = self._lanes[lane].values()
        # The greatest number of whole rounds that is no more than `count`.
        low, high = 0, max(map(len, lines))
        while low < high:
            rounds = (low + high + 1) // 2
            if sum(min(len(line), rounds) for line in lines) <= count:
                low = rounds
            else:
                high = rounds - 1
        rest = count - sum(min(len(line), low) for line in lines)
        seconds = sum(line.seconds(min(len(line), low), self._speed) for line in lines)
        if rest:
            in_round = sorted((line for line in lines if len(line) > low), key=attrgetter("turn"))
            seconds += sum(
                line.seconds(low + 1, self._speed) - line.seconds(low, self._speed)
                for line in in_round[:rest]
            )
        return seconds

    def _round(self, lane: Lane) -> Iterator[Request]:
        lines = sorted(self._lanes[lane].values(), key=attrgetter("turn"))
        nth = 0
        while lines:
            for line in lines:
                yield line.requests[nth]
            nth += 1
            lines = [line for line in lines if len(line) > nth]

    def _all(self) -> Iterator[_Waiting]:
        for lane in self._lanes.values():
            yield from lane.values()
