"""Who is there: filters and consumers, by their heartbeats."""

import time
from collections.abc import Callable
from typing import Literal, NamedTuple

from pydantic import BaseModel, ValidationError

from stile_contracts import models
from stile_contracts.messages import Heartbeat, QueueState

ALIVE_SECONDS = 5.0
"""How long one heartbeat counts; they come every two seconds, so two may be lost."""

Part = Literal["filter", "consumer"]


class PartState(BaseModel):
    """One part as the gateway sees it."""

    ready: bool
    reason: str | None = None
    """Why it is not ready."""
    instances: int | None = None
    """How many were heard of lately; not told of the bus."""


class Readiness(BaseModel):
    """Whether a chat would be answered now."""

    ready: bool
    parts: dict[Literal["bus", "filter", "consumer"], PartState]


class _Beat(NamedTuple):
    heard: float
    heartbeat: Heartbeat


class Presence:
    """Remembers the last heartbeat of each instance.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beats: dict[tuple[str, str], _Beat] = {}

    def hear(self, body: bytes) -> None:
        """Take a heartbeat; what is none is nobody's."""
        try:
            heartbeat = Heartbeat.model_validate_json(body)
        except ValidationError:
            return
        now = self._clock()
        self._beats[heartbeat.part, heartbeat.instance] = _Beat(now, heartbeat)
        gone = [key for key, beat in self._beats.items() if now - beat.heard > ALIVE_SECONDS]
        for key in gone:
            del self._beats[key]

    def state(self, part: Part) -> PartState:
        """Tell whether any instance of ``part`` is alive and ready, and if none is, why."""
        now = self._clock()
        alive = [
            beat.heartbeat
            for (name, _), beat in self._beats.items()
            if name == part and now - beat.heard <= ALIVE_SECONDS
        ]
        if any(heartbeat.ready for heartbeat in alive):
            return PartState(ready=True, instances=len(alive))
        reason = (alive[0].reason or "not ready") if alive else f"none heard within {ALIVE_SECONDS:g} s"
        return PartState(ready=False, reason=reason, instances=len(alive))

    def models(self) -> list[str]:
        """Return the names of living consumers' models that a request can name, each once, sorted."""
        now = self._clock()
        names = {
            token: beat.heartbeat.model
            for beat in self._beats.values()
            if beat.heartbeat.model is not None
            and now - beat.heard <= ALIVE_SECONDS
            and (token := models.token(beat.heartbeat.model)) is not None
        }
        return sorted(names.values())

    def model(self, name: str) -> str | None:
        """Return what the model is called that a request with this ``model`` is for; None where none lives.

        As a request's, the name may be in upper or lower case; ``stile`` is whichever is idle.
        """
        living = self.models()
        if not models.names_one(name):
            return models.WHICHEVER if living else None
        return next((other for other in living if models.token(other) == models.token(name)), None)

    def queue(self) -> QueueState | None:
        """Return the queue as a living filter told of it last, or None where none does."""
        now = self._clock()
        told = [
            beat
            for beat in self._beats.values()
            if beat.heartbeat.queue is not None and now - beat.heard <= ALIVE_SECONDS
        ]
        return max(told, key=lambda beat: beat.heard).heartbeat.queue if told else None

    def readiness(self, *, connected: bool) -> Readiness:
        """Put the parts together; without the bus nothing else can be known."""
        bus = PartState(ready=connected, reason=None if connected else "not connected")
        filters, consumers = self.state("filter"), self.state("consumer")
        return Readiness(
            ready=bus.ready and filters.ready and consumers.ready,
            parts={"bus": bus, "filter": filters, "consumer": consumers},
        )
