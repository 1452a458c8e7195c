"""The events that a requester receives before the result, and the receipt of a cancellation."""

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from stile_contracts.messages.base import Message


class EventKind(StrEnum):
    """The kinds of reply messages; ``done`` and ``error`` are final."""

    ACCEPTED = "accepted"
    POSITION = "position"
    STARTED = "started"
    TOKEN = "token"  # noqa: S105 -- a piece of text, no secret
    DONE = "done"
    ERROR = "error"


class EventLevel(StrEnum):
    """The events that a requester receives in addition to the final reply (``Chat-Events``)."""

    ACCEPTED = "accepted"
    """Only ``accepted``, not even the final reply. The requester asks for the result itself."""
    NONE = "none"
    STATE = "state"
    TOKEN = "token"  # noqa: S105 -- a piece of text, no secret


class ResponseMode(StrEnum):
    """When a direct client wants the answer (``Chat-Respond``)."""

    NOW = "now"
    LATER = "later"
    """The same as ``EventLevel.ACCEPTED``."""


class _QueueEvent(Message):
    id: UUID
    position: Annotated[int, Field(ge=0)] | None = None
    """The number of requests that are answered before this one, running ones included; absent if
    unknown."""
    estimate_seconds: Annotated[float, Field(ge=0)] | None = None
    """Seconds until the request starts, by the recently measured speed; absent if there is none."""
    held: bool | None = None
    """True if the owner has put the queue on hold: nothing starts until it is resumed."""


class AcceptedEvent(_QueueEvent):
    """The request is stored in CHAT. From now on it will have a result."""


class PositionEvent(_QueueEvent):
    """The position of the request now; the body of ``position``."""


class StartedEvent(Message):
    """A worker has started the request."""

    id: UUID
    model: str | None = None


class TokenEvent(Message):
    """A piece of the answer."""

    text: str
    tool_calls: list[dict[str, Any]] | None = None
    """Deltas of tool calls, in OpenAI's shape; ``text`` may then be empty."""
    logprobs: dict[str, Any] | None = None
    """The logprobs of this piece, in OpenAI's shape."""
    reasoning_content: str | None = None
    """A piece of what the model thinks before it answers; ``text`` may then be empty."""

    @property
    def more_than_text(self) -> bool:
        """Whether it has anything beside its text."""
        return any(part is not None for part in (self.tool_calls, self.logprobs, self.reasoning_content))


class CancelHit(StrEnum):
    """The state of a request when it was cancelled."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    UNKNOWN = "unknown"


class CancelReceipt(Message):
    """The reply to a cancellation."""

    id: UUID
    hit: Annotated[CancelHit, Field(strict=False)]
