"""What is asked, as it goes to the bus, and how long is waited for it."""

from dataclasses import dataclass
from uuid import UUID

from stile_contracts import headers
from stile_contracts.messages import EventLevel
from stile_contracts.subjects import Lane


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds, counted from the request's arrival."""

    accept: float
    answer: float
    unheard: float = 0.0
    """How long a request under a key goes on where nobody listens, counted from when the last one left;
    0: to its end."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request as it goes to the bus."""

    id: UUID
    client: str
    """A token of a subject, made by ``subjects.http_client``."""
    body: bytes
    """The client's own bytes, validated."""
    wanted: EventLevel = EventLevel.STATE
    lane: Lane = Lane.INTERACTIVE
    key: str | None = None
    timeout: float | None = None
    """Seconds after which an answer is of no use, where the client has said so."""
    traceparent: str | None = None
    answer_later: bool = False
    """Whether its client comes back for the answer."""

    @property
    def lasting(self) -> bool:
        """Whether its client can come back for it: it goes on where nobody listens, if only for a while."""
        return self.answer_later or self.key is not None

    def headers(self, deadline: float) -> dict[str, str]:
        """Return the headers of the request; ``deadline`` in seconds since the epoch."""
        values = {
            headers.CHAT_ID: str(self.id),
            headers.CHAT_CLIENT: self.client,
            headers.CHAT_LANE: self.lane.value,
            headers.CHAT_DEADLINE: str(int(deadline * 1000)),
            headers.CHAT_EVENTS: self.wanted.value,
        }
        if self.key is not None:
            values[headers.CHAT_KEY] = self.key
        if self.traceparent is not None:
            values[headers.TRACEPARENT] = self.traceparent
        return values
