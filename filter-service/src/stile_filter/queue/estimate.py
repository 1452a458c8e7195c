"""The positions of the requests that wait, and how long they will wait."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import accumulate
from operator import attrgetter
from typing import Literal, NamedTuple, Protocol

from stile_contracts.messages import Heartbeat, LaneState, QueueState
from stile_contracts.subjects import Lane
from stile_filter.queue.order import ClientQueue, QueueEntry
from stile_filter.queue.speed import Speed
from stile_filter.queue.view import ChatView

UNKNOWN_RETRY_AFTER = 5.0
"""When to try again if no worker has measured its speed, in seconds."""

_SHORTEST_RETRY_AFTER = 1.0
_LAST_ID = "~"
"""Greater than any id."""


class Fleet(Protocol):
    """The workers that live, by their heartbeats."""

    def alive(self, part: Literal["consumer"], model: str | None = None) -> list[Heartbeat]:
        """Return the heartbeats of those that serve the model with this token, or of all."""
        ...

    def models(self, within: float = ...) -> Mapping[str, str]:
        """Return the names of the models that they served ``within`` these seconds, by their tokens."""
        ...


class QueuePosition(NamedTuple):
    """A request's position in the queue; each part is None if it is not known."""

    position: int | None = None
    """How many requests are in flight or start before it."""
    estimate_seconds: float | None = None
    """Until it starts."""
    held: bool | None = None
    """True if the queue is on hold; otherwise None."""

    @property
    def rank(self) -> tuple[float, float]:
        """Return what is compared to find the best of several positions: the wait, and then the number."""
        wait, number = self.estimate_seconds, self.position
        return float("inf") if wait is None else wait, float("inf") if number is None else number


class _Forecast(NamedTuple):
    """What some workers will do before they take each of the requests that wait for them."""

    speed: Speed | None
    ranks: dict[QueueEntry, int]
    """How many of those that wait start before each of them."""
    seconds: list[float]
    """By rank: how long these take one worker; 0 if no speed is known."""

    @classmethod
    def of(cls, order: list[QueueEntry], speed: Speed | None) -> "_Forecast":
        costs = speed.all_seconds([entry.size for entry in order]) if speed else [0.0] * len(order)
        ranks = {entry: rank for rank, entry in enumerate(order)}
        return cls(speed, ranks, list(accumulate(costs, initial=0.0)))


class _Workload(NamedTuple):
    """What some workers have to do before they take the first request that waits for them."""

    workers: int
    speed: Speed | None
    seconds_left: list[float]
    """Of each request in flight, until it is answered."""
    in_flight: int
    held: bool | None = None
    """True if the queue is on hold; then no worker starts anything."""

    def position(self, entry: QueueEntry, forecast: _Forecast) -> QueuePosition:
        rank = forecast.ranks[entry]
        position = self.in_flight + rank
        if self.held:
            return QueuePosition(position, held=True)
        if position < self.workers:
            return QueuePosition(position, 0.0)  # a worker is idle
        if not self.workers or self.speed is None:
            return QueuePosition(position)
        seconds = sum(self.seconds_left) + forecast.seconds[rank]
        return QueuePosition(position, round(seconds / self.workers, 1))


class Estimates:
    """Foretells when the requests that wait will start.

    Workers of several models have an order each: a request that names a model is counted among those that
    name it or none, and one that names none has its best position.

    Args:
        view: the queue.
        fleet: the workers.
        clock: the view's monotonic clock, in seconds.
    """

    def __init__(self, view: ChatView, fleet: Fleet, clock: Callable[[], float]) -> None:
        self._view = view
        self._fleet = fleet
        self._clock = clock
        self._forecasts: dict[str | None, _Forecast] = {}
        self._version = -1

    def position(self, subject: str) -> QueuePosition:
        """Return the position of a request; nothing is known of one that does not wait."""
        if (entry := self._view.waiting.get(subject)) is None:
            return QueuePosition()
        models = self._routes()(entry)
        return _best(self._workload(model).position(entry, self._forecast(model)) for model in models)

    def positions(self) -> Iterator[tuple[str, QueuePosition]]:
        """Give all that wait, by their subjects, and their positions."""
        routes = self._routes()
        known = {
            model: (self._workload(model), self._forecast(model)) for model in (None, *self._view.models())
        }
        for subject, entry in self._view.waiting.items():
            ways = [known[model] for model in routes(entry)]
            yield subject, _best(workload.position(entry, forecast) for workload, forecast in ways)

    def state(self) -> QueueState:
        """Return the queue as it is now."""
        interactive, batch = (self._lane(lane) for lane in (Lane.INTERACTIVE, Lane.BATCH))
        return QueueState(interactive=interactive, batch=batch, running=len(self._view.in_flight))

    def retry_after(self) -> float:
        """Return in how many seconds CHAT has room again: when the first request in flight is answered."""
        workload = self._workload(None)
        if workload.speed is None or not workload.workers or workload.held:
            return UNKNOWN_RETRY_AFTER
        return max(_SHORTEST_RETRY_AFTER, min(workload.seconds_left, default=workload.speed.service))

    def client_retry_after(self, client: str) -> float:
        """Return in how many seconds one of the client's requests that wait starts."""
        workload, forecast = self._workload(None), self._forecast(None)
        own = [entry for entry in self._view.waiting.values() if entry.queue.client == client]
        wait = _best(workload.position(entry, forecast) for entry in own).estimate_seconds
        return UNKNOWN_RETRY_AFTER if wait is None else max(_SHORTEST_RETRY_AFTER, wait)

    def _routes(self) -> Callable[[QueueEntry], Collection[str | None]]:
        """Return a function that returns the models whose workers may take a request; None stands for any."""
        models = self._view.models()
        living: list[str | None] = [model for model in self._fleet.models() if model in models]

        def models_of(entry: QueueEntry) -> Collection[str | None]:
            return (entry.model,) if entry.model in models else living or (None,)

        return models_of

    def _forecast(self, model: str | None) -> _Forecast:
        """Return the forecast for a model's workers (None: for all); it is made once for each change."""
        if self._version != self._view.version:
            self._version = self._view.version
            self._forecasts.clear()
        speed, forecast = self._speed(model), self._forecasts.get(model)
        if forecast is None or forecast.speed != speed:
            forecast = self._forecasts[model] = _Forecast.of(self._view.order(model), speed)
        return forecast

    def _workload(self, model: str | None) -> _Workload:
        workers = self._fleet.alive("consumer", model)
        speed, now = self._speed(model), self._clock()
        in_flight = [entry for entry in self._view.in_flight.values() if entry.is_for(model)]
        ends = [entry.started + speed.seconds(entry.size) for entry in in_flight] if speed else []
        left = [max(0.0, end - now) for end in ends]
        ready = sum(worker.ready for worker in workers)
        return _Workload(ready, speed, left, len(in_flight), self._view.held or None)

    def _speed(self, model: str | None) -> Speed | None:
        return Speed.of(self._fleet.alive("consumer", model))

    def _lane(self, lane: Lane) -> LaneState:
        """Return one lane; its estimate is that of a client that was never served."""
        entry = QueueEntry("", _LAST_ID, ClientQueue(lane, ""), arrived=float("inf"))
        forecast = _Forecast.of(self._view.order(None, [entry]), self._speed(None))
        return LaneState(
            waiting=sum(other.queue.lane is lane for other in self._view.waiting.values()),
            estimate_seconds=self._workload(None).position(entry, forecast).estimate_seconds,
        )


def _best(positions: Iterable[QueuePosition]) -> QueuePosition:
    return min(positions, key=attrgetter("rank"), default=QueuePosition())
