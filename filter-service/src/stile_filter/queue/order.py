"""In which order the workers take the requests that wait. Pure: no network, no clock.

The lanes are served 3:1. Within a lane the client that was served longest ago is next. The workers follow the
same rule; ``contracts/fixtures/v1/order.json`` holds both sides to it.
"""

from bisect import insort
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, zip_longest
from operator import attrgetter
from typing import NamedTuple, Self

from stile_contracts.subjects import Lane
from stile_filter.queue.speed import Size

INTERACTIVE_SHARE = 3
"""While both lanes have work, this many interactive requests start for each one of the batch lane."""

REMEMBERED_STARTS = 256
"""The start of a request that is given to a second worker is sent again, and counts once."""

REMEMBERED_CLIENT_QUEUES = 4096
"""Beyond this many the least recently served one is forgotten: either way it is next."""


class ClientQueue(NamedTuple):
    """A client's requests of one lane."""

    lane: Lane
    client: str


@dataclass(slots=True, eq=False)
class QueueEntry:
    """An approved request that waits or is in flight."""

    subject: str
    """In CHAT, without a model's token: names it uniquely."""
    id: str
    queue: ClientQueue
    arrived: float
    """A client's requests are taken in this order."""
    size: Size | None = None
    """None if another filter has approved it."""
    model: str | None = None
    """The token of the model that it names."""
    started: float = 0.0
    """When the worker took it that has it in flight, on the monotonic clock."""
    worker_model: str | None = None
    """The token of that worker's model, if it is known."""

    def is_for(self, model: str | None) -> bool:
        """Return whether workers of ``model`` (None: of any) may take it or, if it is in flight, have it."""
        return model is None or (self.worker_model or self.model or model) == model


class ServiceHistory:
    """Which client queue was served when, as far as this process knows."""

    def __init__(self) -> None:
        self.starts = 0
        """How many there were."""
        self.last_starts: dict[ClientQueue, int] = {}
        """By client queue the number of its last start, in this order. One that is missing is next."""
        self._named: dict[ClientQueue, dict[str | None, bool]] = {}
        self._recent: OrderedDict[str, None] = OrderedDict()

    def add(self, entry: QueueEntry, worker_model: str | None) -> bool:
        """Count a start; return False if it was counted before."""
        if entry.subject in self._recent:
            return False
        self._recent[entry.subject] = None
        if len(self._recent) > REMEMBERED_STARTS:
            self._recent.popitem(last=False)
        self.starts += 1
        if forgotten := _serve(entry.queue, self.starts, self.last_starts):
            del self._named[forgotten]
        named = self._named.setdefault(entry.queue, {})
        named[None] = named[worker_model] = entry.model is not None
        return True

    def was_named(self, queue: ClientQueue, model: str | None) -> bool | None:
        """Return whether the last request that ``model``'s workers took named it; None if they took none."""
        return self._named.get(queue, {}).get(model)


def service_order(
    waiting: Iterable[QueueEntry],
    history: ServiceHistory,
    interactive_starts: int,
    model: str | None = None,
) -> list[QueueEntry]:
    """Return the requests that wait, in the order in which workers will take them if nothing else arrives.

    Args:
        waiting: the requests that these workers may take.
        history: who was served when.
        interactive_starts: how many interactive requests started since the last one of the batch lane.
        model: the token of these workers' model; None for any.
    """
    queues: dict[ClientQueue, list[QueueEntry]] = {}
    for entry in sorted(waiting, key=attrgetter("arrived"))[::-1]:
        queues.setdefault(entry.queue, []).append(entry)
    turns = {lane: _Turns() for lane in Lane}
    for queue, entries in queues.items():
        if len(entries) > 1:
            entries[:] = _by_turns(entries, was_named=history.was_named(queue, model))
        turns[queue.lane].add(entries, is_new=queue not in history.last_starts)
    interactive, batch = (turns[lane].sorted(history.last_starts) for lane in (Lane.INTERACTIVE, Lane.BATCH))
    may_forget = len(history.last_starts) + len(queues) > REMEMBERED_CLIENT_QUEUES
    last_starts = history.last_starts.copy() if may_forget else {}
    order: list[QueueEntry] = []
    while interactive.left or batch.left:
        if batch.left and (interactive_starts >= INTERACTIVE_SHARE or not interactive.left):
            lane, interactive_starts = batch, 0
        else:
            lane, interactive_starts = interactive, interactive_starts + 1
        entry = lane.next()
        order.append(entry)
        if may_forget and (forgotten := _serve(entry.queue, history.starts + len(order), last_starts)):
            turns[forgotten.lane].forget(queues.get(forgotten, []))
    return order


class _Turns:
    """One lane's client queues that have requests waiting; the next request of each is its last entry."""

    def __init__(self) -> None:
        self.left = 0
        """How many requests have not had their turn."""
        self._new: deque[tuple[str, str, list[QueueEntry]]] = deque()
        """The queues that were never served, by the least id of their requests."""
        self._served: deque[list[QueueEntry]] = deque()
        """The others, the least recently served first."""

    def add(self, entries: list[QueueEntry], *, is_new: bool) -> None:
        self.left += len(entries)
        if is_new:
            self._new.append(_newcomer(entries))
        else:
            self._served.append(entries)

    def sorted(self, last_starts: dict[ClientQueue, int]) -> Self:
        self._new = deque(sorted(self._new))
        self._served = deque(sorted(self._served, key=lambda entries: last_starts[entries[0].queue]))
        return self

    def next(self) -> QueueEntry:
        self.left -= 1
        entries = self._new.popleft()[-1] if self._new else self._served.popleft()
        entry = entries.pop()
        if entries:
            self._served.append(entries)
        return entry

    def forget(self, entries: list[QueueEntry]) -> None:
        """Count the least recently served queue as never served; without requests it has no turn."""
        if entries:
            self._served.popleft()
            entries[:] = _by_turns(entries, was_named=None)
            insort(self._new, _newcomer(entries))


_id = attrgetter("id")


def _newcomer(entries: list[QueueEntry]) -> tuple[str, str, list[QueueEntry]]:
    return min(map(_id, entries)), entries[0].queue.client, entries


def _by_turns(entries: list[QueueEntry], *, was_named: bool | None) -> list[QueueEntry]:
    """Sort a client's requests, the last one first, so that named and unnamed ones are taken by turns.

    Those that name a model and those that name none come from a durable each, and the ids of requests with a
    key tell no time: to go by ids or arrival alone could starve one of the two.
    """
    named = [entry for entry in entries if entry.model is not None]
    if not named or len(named) == len(entries):
        return entries
    unnamed = [entry for entry in entries if entry.model is None]
    if was_named is None:
        was_named = min(entry.id for entry in unnamed) < min(entry.id for entry in named)
    parts = (reversed(unnamed), reversed(named))
    pairs = zip_longest(*(parts if was_named else parts[::-1]))
    return [entry for entry in chain.from_iterable(pairs) if entry is not None][::-1]


def _serve(queue: ClientQueue, start: int, last_starts: dict[ClientQueue, int]) -> ClientQueue | None:
    """Note that a client queue is served, and return the one that is forgotten for it."""
    last_starts.pop(queue, None)
    last_starts[queue] = start
    if len(last_starts) <= REMEMBERED_CLIENT_QUEUES:
        return None
    forgotten = next(iter(last_starts))
    del last_starts[forgotten]
    return forgotten
