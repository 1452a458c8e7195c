"""The services that live, by the heartbeats that they send."""

import asyncio
import time
from collections.abc import Callable
from typing import Literal, NamedTuple

from pydantic import ValidationError

from stile_contracts import models
from stile_contracts.messages import Heartbeat, QueueState

ALIVE_SECONDS = 5.0
"""How long a heartbeat counts if it does not say so itself."""

CLOCK_TOLERANCE_SECONDS = 30.0
"""How far a sender's clock may be from this process's before deadlines mean different times to the
two."""

REMEMBERED_SECONDS = 600.0
"""How long a filter accepts requests for a model after its last heartbeat: a worker that restarts still owns
its requests."""

_FIRST_SECONDS = 5.0
"""After its start a filter waits this long before it answers that a model does not exist: by then each
worker has sent a heartbeat."""
_POLL_SECONDS = 0.1

Part = Literal["filter", "consumer"]


class Member(NamedTuple):
    """One process of the fleet, by its last heartbeat."""

    received_at: float
    """On this process's monotonic clock, seconds."""
    clock_ahead: float | None
    """Seconds that the sender's clock was ahead of this process's when the heartbeat arrived; the time on the
    way counts as behind. None if the sender does not send its time."""
    heartbeat: Heartbeat


class _Model(NamedTuple):
    received_at: float
    name: str


class Fleet:
    """Holds the last heartbeat of each process.

    Args:
        clock: seconds, monotonic.
        wall_clock: seconds since the Unix epoch.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._members: dict[tuple[str, str], Member] = {}
        self._models: dict[str, _Model] = {}
        """By the model's token."""
        self._listening_since = clock()

    def receive_body(self, body: bytes) -> bool:
        """Take in a heartbeat as it came; return whether it is one."""
        try:
            self.receive(Heartbeat.model_validate_json(body))
        except ValidationError:
            return False
        return True

    def receive(self, heartbeat: Heartbeat) -> None:
        """Take in a heartbeat."""
        now, sent = self._clock(), heartbeat.now_ms
        ahead = None if sent is None else sent / 1000 - self._wall_clock()
        self._members = {key: member for key, member in self._members.items() if self._is_alive(member)}
        self._members[heartbeat.part, heartbeat.instance] = Member(now, ahead, heartbeat)
        if heartbeat.model is not None and (token := models.token(heartbeat.model)) is not None:
            remembered = self.models(REMEMBERED_SECONDS)
            if not remembered:
                self._listening_since = now
            self._models = {known: self._models[known] for known in remembered}
            self._models[token] = _Model(now, heartbeat.model)

    def no_responders(self, part: Part) -> None:
        """Note that nats-server knows no subscriber of a part: its processes are gone, or restart.

        Without this, a process counts as alive as long as its last heartbeat says. Its next heartbeat
        brings it back.
        """
        self._members = {key: member for key, member in self._members.items() if key[0] != part}

    def members(self, part: Part, model: str | None = None) -> list[Member]:
        """Return the living processes of a part.

        Args:
            part: which.
            model: the token of a model; then only the processes that serve it.
        """
        return [
            member
            for (name, _), member in self._members.items()
            if name == part
            and self._is_alive(member)
            and (model is None or _token(member.heartbeat) == model)
        ]

    def alive(self, part: Part, model: str | None = None) -> list[Heartbeat]:
        """Return the heartbeats of ``members``."""
        return [member.heartbeat for member in self.members(part, model)]

    def silent_after(self) -> float:
        """Return after how many seconds without any heartbeat all of the living are away, or cut off."""
        counts = [_counts(member) for member in self._members.values() if self._is_alive(member)]
        return min(counts, default=ALIVE_SECONDS)

    def queue(self) -> QueueState | None:
        """Return the queue as a living filter sent it last, or None if there is none."""
        sent = [member for member in self.members("filter") if member.heartbeat.queue is not None]
        return max(sent, key=lambda member: member.received_at).heartbeat.queue if sent else None

    def context(self, name: str) -> int | None:
        """Return the tokens that a conversation with a model may have, with its answer.

        If its workers differ, it is the least, as each of them may get the request.

        Args:
            name: the model's; ``stile`` is any model.

        Returns:
            None if no living worker tells.
        """
        told = [heartbeat.n_ctx for heartbeat in self._workers(name)]
        return min((n_ctx for n_ctx in told if n_ctx is not None), default=None)

    def knows_tools(self, name: str) -> bool:
        """Return whether the chat template of a model is known to know tools, on all its living workers.

        Args:
            name: the model's; ``stile`` is any model.
        """
        told = [heartbeat.supports_tools for heartbeat in self._workers(name)]
        return bool(told) and all(told)

    def _workers(self, name: str) -> list[Heartbeat]:
        return self.alive("consumer", models.token(name) if models.names_one(name) else None)

    def models(self, within: float = ALIVE_SECONDS) -> dict[str, str]:
        """Return the models that a request can name: each one's name by its token.

        Args:
            within: seconds since the last heartbeat of a worker that serves it.
        """
        now = self._clock()
        return {
            token: model.name for token, model in self._models.items() if now - model.received_at <= within
        }

    def model_names(self, within: float = ALIVE_SECONDS) -> list[str]:
        """Return the names of ``models``, sorted."""
        return sorted(self.models(within).values())

    def listens(self) -> None:
        """Note that heartbeats are received from now on."""
        self._listening_since = self._clock()

    async def lacks(self, model: str) -> bool:
        """Return whether no worker serves ``model``.

        While no model is known at all it is not lacking: a worker may still come.
        """
        token = models.token(model)
        if token is None:
            return True
        while token not in (known := self.models(REMEMBERED_SECONDS)):
            if self._clock() >= self._listening_since + _FIRST_SECONDS:
                return bool(known)
            await asyncio.sleep(_POLL_SECONDS)
        return False

    def _is_alive(self, member: Member) -> bool:
        return self._clock() - member.received_at <= _counts(member)


def _counts(member: Member) -> float:
    """Return how many seconds a heartbeat counts."""
    return member.heartbeat.alive_seconds or ALIVE_SECONDS


def _token(heartbeat: Heartbeat) -> str | None:
    return models.token(heartbeat.model) if heartbeat.model else None
