"""The queue where workers serve several models: where a request stands depends on who may take it.

A request that names a model waits for what that model's workers take before it: what names it too, or names
none. One that names none stands where it stands best. With one model this is ``ChatQueue``, and nothing more.
"""

import contextlib
from collections.abc import Callable, Iterable
from uuid import UUID

from stile_contracts import subjects
from stile_contracts.subjects import RequestAddress
from stile_filter.chat_queue import ChatQueue, Standing
from stile_filter.speed import Size
from stile_runtime.fleet import Fleet


class RoutedQueue(ChatQueue):
    """The approved requests that have no outcome yet, as a whole, and as each model's workers see them.

    Args:
        fleet: the workers that live, their models, and their speed.
        clock: a monotonic clock, in seconds.
        now: the time, in seconds since the Unix epoch.
    """

    def __init__(self, fleet: Fleet, clock: Callable[[], float], now: Callable[[], float]) -> None:
        super().__init__(fleet, clock, now)
        self._named: dict[str, str] = {}
        """By the requests that name a model its token."""
        self._takers: dict[str, str] = {}
        """By the requests that run the token of their worker's model, where it told one."""
        self._parts: dict[str, ChatQueue] = {}
        """By the models' tokens; none where there are not several."""

    def accepted(self, subject: str, size: Size, model: str | None) -> None:
        """Take in that CHAT holds a request; it may have been answered before its confirmation was heard.

        Args:
            subject: of the request.
            size: what it asks of the model.
            model: the token of the one that it names.
        """
        self.approved(subject, size)
        if not self.waits(subject):
            return
        if model is not None:
            self._named[subject] = model
        self._divide()
        for part in self._parts_of(subject):
            part.approved(subject, size)

    def taken(self, moved: RequestAddress, model: str | None) -> None:
        """Take in that a worker has taken a request up, and the token of its model where it told one."""
        self.started(moved)
        subject = subjects.approved(*moved)
        if model is not None:
            self._takers[subject] = model
        for token, part in self._parts.items():
            if model == token or (model is None and part in self._parts_of(subject)):
                part.started(moved)
            else:
                part.started_elsewhere(moved)

    def finished(self, moved: RequestAddress) -> None:
        """Take in that a request has its outcome."""
        super().finished(moved)
        for part in self._parts.values():
            part.finished(moved)

    def cancelled(self, client: str, chat_id: UUID) -> None:
        """Take in that a request is wanted no more; one that runs leaves once its worker has let go of it."""
        super().cancelled(client, chat_id)
        for part in self._parts.values():
            part.cancelled(client, chat_id)

    def expired(self, subject: str) -> None:
        """Take in that the deadline of a request that waits has passed: it will cost the model nothing."""
        super().expired(subject)
        for part in self._parts.values():
            if part.waits(subject):
                part.expired(subject)

    def seen(self, held: Iterable[str]) -> None:
        """Mend what is known by the subjects that CHAT held a moment ago; call it every few seconds."""
        held = list(held)
        super().seen(held)
        for known in (self._named, self._takers):
            for subject in known.keys() - self._requests.keys():
                del known[subject]
        for subject in held:
            with contextlib.suppress(ValueError):  # the workers leave it out as well
                place = subjects.approved(*subjects.parse_approved(subject))
                if place != subject and place in self:
                    self._named[place] = subject.removeprefix(f"{place}.")
        self._divide()
        for token, part in self._parts.items():
            part.seen(subject for subject in self._requests if self._is_before(subject, token))

    def standing(self, subject: str) -> Standing:
        """Tell where a request stands; nothing is known of one that does not wait."""
        parts = [part for part in self._parts_of(subject) if part.waits(subject)]
        if not self.waits(subject) or not parts:
            return super().standing(subject)
        return _best([part.standing(subject) for part in parts])

    def standings(self) -> Iterable[tuple[str, Standing]]:
        """Give all that wait, by their subjects, and where they stand: O(requests) for each model."""
        told = {token: dict(part.standings()) for token, part in self._parts.items()}
        for subject, whole in super().standings():
            tokens = self._tokens_of(subject)
            known = [told[token][subject] for token in tokens if subject in told[token]]
            yield subject, _best(known) if known else whole

    def _divide(self) -> None:
        """Keep a queue for each model that has workers or requests, where there are several."""
        tokens = set(self._fleet.models()) | set(self._named.values())
        if len(tokens) < 2:
            self._parts.clear()
            return
        for token in self._parts.keys() - tokens:
            del self._parts[token]
        for token in tokens - self._parts.keys():
            part = self._parts[token] = ChatQueue(self._fleet, self._clock, self._now, token)
            for subject, request in self._requests.items():
                if self._is_before(subject, token):
                    running = self._running.get(subject)
                    part.take_in(request, running.since if running else None)

    def _is_before(self, subject: str, token: str) -> bool:
        """Tell whether a request waits for, or has, one of the workers of the model ``token``."""
        return self._takers.get(subject, self._named.get(subject, token)) == token

    def _tokens_of(self, subject: str) -> list[str]:
        """Return the models whose workers may take a request; one without workers only where it is named."""
        if named := self._named.get(subject):
            return [named] if named in self._parts else []
        living = self._fleet.models()
        return [token for token in self._parts if token in living]

    def _parts_of(self, subject: str) -> list[ChatQueue]:
        return [self._parts[token] for token in self._tokens_of(subject)]


def _best(standings: list[Standing]) -> Standing:
    def rank(standing: Standing) -> tuple[float, float]:
        estimate, position = standing.estimate_seconds, standing.position
        return (
            float("inf") if estimate is None else estimate,
            float("inf") if position is None else position,
        )

    return min(standings, key=rank)
