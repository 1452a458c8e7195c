"""A client's request on its way to the bus, and how long the gateway waits."""

from dataclasses import dataclass
from uuid import UUID

from stile_contracts.messages import EventLevel, Trim
from stile_contracts.subjects import Lane


@dataclass(frozen=True, slots=True)
class Timing:
    """All waiting times, in seconds. The defaults are the product's; tests use shorter ones."""

    accept: float
    """From the request's arrival to its first event."""
    answer: float
    """From the request's arrival to its answer, at most."""
    abandoned: float = 0.0
    """How long a request under a key goes on after its last listener has left; 0: to its end."""
    repeat: float = 2.0
    """Between two sends of a request that nothing was received for."""
    no_responders: float = 0.25
    """The same if no filter was there: one that starts again is found soon."""
    late: float = 2.0
    """How long after the deadline the error that tells of it may still arrive."""
    finished: float = 0.5
    """How long after the end of a request its last event may still arrive; then its status is asked for."""
    status: float = 5.0
    """Between two status requests for a request that may be answered at another gateway."""
    repeats_per_second: float = 1000.0
    """How fast held requests are sent again after the connection was lost: 2,000 take two seconds."""


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """One request as it goes to the bus."""

    id: UUID
    client: str
    """A token of a subject, made by ``subjects.http_client``."""
    body: bytes
    """A ``ChatRequest`` as JSON, validated."""
    level: EventLevel = EventLevel.STATE
    lane: Lane = Lane.INTERACTIVE
    key: str | None = None
    """The client's idempotency key."""
    timeout: float | None = None
    """Seconds after which the answer is of no use, if the client has said so."""
    traceparent: str | None = None
    trim: Trim | None = None
    """What happens to a conversation that is too long; None: as the filter's policy says."""
    answer_later: bool = False
    """Whether the client comes back for the answer. Then, and under a key, the request goes on, at least for
    a while, after the client has left."""
