"""Whether a request would be answered now, by the connection and the fleet's heartbeats."""

from typing import Literal

from pydantic import BaseModel

from stile_contracts import models
from stile_contracts.messages import Heartbeat
from stile_runtime.fleet import CLOCK_TOLERANCE_SECONDS, Fleet, Part

_PARTS: tuple[Part, ...] = ("filter", "consumer")

_POLICY_REFUSED = "the policy's file is refused, and an earlier policy is in use; the filter's log says why"

_HELD = "the queue is on hold, so nothing is started; `stile resume` ends it"


class PartState(BaseModel):
    """One part as the gateway sees it."""

    ready: bool
    reason: str | None = None
    """Why it is not ready."""
    detail: str | None = None
    """What should be looked at, though it is ready."""
    instances: int | None = None
    """How many processes of it live; absent for the gateway and the bus."""


class Readiness(BaseModel):
    """Whether a chat would be answered now."""

    ready: bool
    parts: dict[Literal["gateway", "bus", "filter", "consumer"], PartState]


def part_state(fleet: Fleet, part: Part) -> PartState:
    """Return whether any process of ``part`` is ready, and if none is, why."""
    alive = fleet.alive(part)
    if any(heartbeat.ready for heartbeat in alive):
        return PartState(ready=True, detail=_detail(part, alive), instances=len(alive))
    reason = (alive[0].reason or "not ready") if alive else "none is heard"
    return PartState(ready=False, reason=reason, instances=len(alive))


def _detail(part: Part, alive: list[Heartbeat]) -> str | None:
    if any(heartbeat.policy_refused for heartbeat in alive):
        return _POLICY_REFUSED
    return _HELD if part == "consumer" and any(heartbeat.held for heartbeat in alive) else None


def readiness(fleet: Fleet, *, connected: bool) -> Readiness:
    """Put the parts together; without the bus nothing else can be known."""
    fault = clock_fault(fleet)
    gateway = PartState(ready=fault is None, reason=fault)
    bus = PartState(ready=connected, reason=None if connected else "not connected")
    filters, consumers = part_state(fleet, "filter"), part_state(fleet, "consumer")
    return Readiness(
        ready=all(part.ready for part in (gateway, bus, filters, consumers)),
        parts={"gateway": gateway, "bus": bus, "filter": filters, "consumer": consumers},
    )


def clock_fault(fleet: Fleet) -> str | None:
    """Return what is wrong with this machine's clock, by the closest clock of a ready part; None if nothing.

    A request's deadline is a time of this clock, which the other parts compare with theirs. A part that is
    ready has compared its own clock with nats-server's.
    """
    ahead = [
        member.clock_ahead
        for part in _PARTS
        for member in fleet.members(part)
        if member.heartbeat.ready and member.clock_ahead is not None
    ]
    off = min(map(abs, ahead), default=0.0)
    return None if off <= CLOCK_TOLERANCE_SECONDS else f"clock is {off:.0f} s off"


def served_model(fleet: Fleet, name: str) -> str | None:
    """Return what the model is called that a request for ``name`` gets; None if no worker serves it.

    As in a request, the name may be in upper or lower case; ``stile`` is whichever model is idle.
    """
    living = fleet.models()
    if not models.names_one(name):
        return models.WHICHEVER if living else None
    return living.get(models.token(name) or "")
