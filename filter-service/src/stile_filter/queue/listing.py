"""Who is answered and who waits, for the console."""

from collections.abc import Callable, Mapping
from uuid import UUID

from stile_contracts.messages import QueuedRequest, QueueListing
from stile_filter.queue.estimate import Estimates
from stile_filter.queue.order import QueueEntry
from stile_filter.queue.view import ChatView

MAX_LISTED = 1000
"""So many requests that wait are listed: as many as CHAT may hold, by its default."""


def listing(
    view: ChatView,
    estimates: Estimates,
    names: Mapping[str, str],
    clock: Callable[[], float],
    now: Callable[[], float],
) -> QueueListing:
    """Return the queue as it is now.

    Args:
        view: the queue.
        estimates: the positions.
        names: the names of models, by their tokens.
        clock: the view's monotonic clock, in seconds.
        now: the time, in seconds since the Unix epoch.
    """
    positions = dict(estimates.positions())

    def name(token: str | None) -> str | None:
        return names.get(token, token) if token else None

    def running(entry: QueueEntry) -> QueuedRequest:
        return QueuedRequest(
            id=UUID(entry.id),
            client=entry.queue.client,
            lane=entry.queue.lane,
            model=name(entry.worker_model or entry.model),
            seconds=round(max(0.0, clock() - entry.started), 1),
        )

    def waiting(entry: QueueEntry) -> QueuedRequest:
        position = positions[entry.subject]
        return QueuedRequest(
            id=UUID(entry.id),
            client=entry.queue.client,
            lane=entry.queue.lane,
            model=name(entry.model),
            position=position.position,
            estimate_seconds=position.estimate_seconds,
            seconds=round(max(0.0, now() - entry.arrived), 1),
        )

    in_flight = sorted(view.in_flight.values(), key=lambda entry: entry.started)
    return QueueListing(
        now_ms=int(now() * 1000),
        held=view.held,
        running=[running(entry) for entry in in_flight],
        waiting=[waiting(entry) for entry in view.order()[:MAX_LISTED]],
        waiting_count=len(view.waiting),
    )
