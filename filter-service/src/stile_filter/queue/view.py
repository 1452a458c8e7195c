"""CHAT as this filter sees it: which requests wait, which are in flight, and who was served when.

It follows what is approved here and the workers' events, and CHAT itself mends what was missed (``seen``).
``docs/protocol.md``, "Places", is its text. A request is named by its subject without a model. No network.
"""

import contextlib
from collections.abc import Callable, Collection, Iterable
from itertools import chain
from uuid import UUID

from stile_contracts import subjects
from stile_contracts.subjects import Lane, RequestAddress
from stile_filter.queue.order import ClientQueue, QueueEntry, ServiceHistory, service_order
from stile_filter.queue.speed import Size

_NO_WORK = Size(0, 0)
_UUID7 = 7


class ChatView:
    """The approved requests that have no result yet.

    Args:
        living_models: returns the tokens of the models that living workers serve.
        clock: a monotonic clock, in seconds.
        now: the time, in seconds since the Unix epoch.
    """

    def __init__(
        self,
        living_models: Callable[[], Collection[str]],
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        self._living_models = living_models
        self._clock = clock
        self._now = now
        self.version = 0
        """Changes with everything that may change the order or a position."""
        self.waiting: dict[str, QueueEntry] = {}
        """By subject."""
        self.in_flight: dict[str, QueueEntry] = {}
        self.held = False
        """Whether the queue is on hold: no worker starts a request."""
        self._batch: set[QueueEntry] = set()
        self._history = ServiceHistory()
        self._interactive_starts: dict[str | None, int] = {}
        """Starts for each model, and for all under None: since the last start of the batch lane."""
        self._lately: tuple[set[str], set[str]] = (set(), set())
        """What arrived or left before the last look, and since."""
        self._named: set[str] = set()
        self._named_as_of = 0

    def __len__(self) -> int:
        return len(self.waiting) + len(self.in_flight)

    def __contains__(self, subject: str) -> bool:
        return subject in self.waiting or subject in self.in_flight

    def waiting_of(self, client: str) -> int:
        """Return how many of a client's requests wait."""
        return sum(entry.queue.client == client for entry in self.waiting.values())

    def accepted(self, subject: str, size: Size, model: str | None = None) -> None:
        """Take in that CHAT holds a request; it may have ended before its confirmation arrived.

        Args:
            subject: of the request.
            size: how much work it is.
            model: the token of the model that it names.
        """
        if entry := self.waiting.get(subject):
            if (entry.size, entry.model) != (size, model or entry.model):
                entry.size, entry.model = size, model or entry.model
                self.version += 1
        elif subject not in self and not any(subject in lately for lately in self._lately):
            self._lately[1].add(subject)
            self._wait(self._entry(subjects.parse_approved(subject), self._now(), size, model))

    def started(self, address: RequestAddress, worker_model: str | None = None) -> None:
        """Take in that a worker has taken a request, for the first time or again, and its model's token."""
        subject = subjects.approved(*address)
        entry = self.waiting.pop(subject, None) or self.in_flight.get(subject)
        entry = entry or self._entry(address, self._now(), None)
        entry.started, entry.worker_model = self._clock(), worker_model or entry.worker_model
        self.in_flight[subject] = entry
        if self._history.add(entry, worker_model):
            self._count_start(entry, worker_model)
        self.version += 1

    def finished(self, address: RequestAddress) -> None:
        """Take in that a request has its result."""
        self._leave(subjects.approved(*address))

    def cancelled(self, client: str, chat_id: UUID) -> None:
        """Take in that a request is cancelled; one in flight leaves when its worker has let go of it."""
        for lane in Lane:
            subject = subjects.approved(lane, client, chat_id)
            if subject in self.waiting:
                self._leave(subject)

    def expired(self, subject: str) -> None:
        """Take in that the deadline of a request that waits has passed: the model will not work on it."""
        self.waiting[subject].size = _NO_WORK
        self.version += 1

    def seen(self, held: Iterable[str]) -> None:
        """Mend what is known by the subjects that CHAT held a moment ago; call it every few seconds.

        What arrived or left since the look before the last is left as it is: that may be newer.
        """
        found: dict[str, tuple[RequestAddress, str | None]] = {}
        for subject in held:
            with contextlib.suppress(ValueError):  # the workers leave it out as well
                address = subjects.parse_approved(subject)
                plain = subjects.approved(*address)
                found[plain] = address, subject.removeprefix(plain).removeprefix(".") or None
        lately = self._lately[0] | self._lately[1]
        for subject in (self.waiting.keys() | self.in_flight.keys()) - found.keys() - lately:
            self._leave(subject)
        for subject, (address, model) in found.items():
            if entry := self.waiting.get(subject) or self.in_flight.get(subject):
                entry.model = model or entry.model
            elif subject not in lately:
                self._wait(self._entry(address, _made(address.id) or self._now(), None, model))
        self._lately = (self._lately[1], set())
        self.version += 1

    def hold(self, *, held: bool) -> None:
        """Take in whether the queue is on hold."""
        if held != self.held:
            self.held = held
            self.version += 1

    def unseen(self) -> None:
        """Take in that CHAT could not be looked into: nothing is mended, and nothing is kept for longer."""
        self._lately = (self._lately[1], set())

    def order(self, model: str | None = None, others: Iterable[QueueEntry] = ()) -> list[QueueEntry]:
        """Return what waits for a model's workers (None: for all) in the order in which they will take it.

        Args:
            model: the model's token.
            others: requests that are counted as if they waited too.
        """
        model = model if model in self.models() else None
        waiting = [*self.waiting.values(), *others]
        if model is not None:
            waiting = [entry for entry in waiting if entry.is_for(model)]
        return service_order(waiting, self._history, self._interactive_starts.get(model, 0), model)

    def models(self) -> set[str]:
        """Return the models that have workers or requests if there are several, else none."""
        if self._named_as_of != self.version:
            self._named_as_of = self.version
            known = chain(self.waiting.values(), self.in_flight.values())
            self._named = {entry.model for entry in known if entry.model is not None}
        models = self._named.union(self._living_models())
        return models if len(models) > 1 else set()

    def _entry(
        self, address: RequestAddress, arrived: float, size: Size | None, model: str | None = None
    ) -> QueueEntry:
        queue = ClientQueue(address.lane, address.client)
        entry = QueueEntry(subjects.approved(*address), str(address.id), queue, arrived, size, model)
        if address.lane is Lane.BATCH:
            self._batch.add(entry)
        return entry

    def _wait(self, entry: QueueEntry) -> None:
        self.waiting[entry.subject] = entry
        self.version += 1

    def _leave(self, subject: str) -> None:
        self._lately[1].add(subject)
        entry = self.waiting.pop(subject, None) or self.in_flight.pop(subject, None)
        if entry is None:
            return
        self._batch.discard(entry)
        for model in self._interactive_starts:
            idle = not any(other.is_for(model) for other in self.waiting.values())
            if idle and not self._has_batch(model):
                self._interactive_starts[model] = 0  # an idle worker looks every second
        self.version += 1

    def _count_start(self, entry: QueueEntry, worker_model: str | None) -> None:
        """Count a start towards the lanes' share, which counts only while both lanes have work.

        Only the starts of a model's own workers count for it: a busy model would use up another's share.
        """
        starts = {model: self._interactive_starts.get(model, 0) for model in (None, *self.models())}
        for model, before in starts.items():
            if model is None or worker_model is None or worker_model == model:
                is_batch = entry.queue.lane is Lane.BATCH
                starts[model] = 0 if is_batch else before * self._has_batch(model) + 1
        self._interactive_starts = starts

    def _has_batch(self, model: str | None) -> bool:
        return any(entry.is_for(model) for entry in self._batch)


def _made(chat_id: UUID) -> float | None:
    """Read off a UUIDv7 when it was made, in seconds since the Unix epoch (RFC 9562, 5.7)."""
    return (chat_id.int >> 80) / 1000 if chat_id.version == _UUID7 else None
