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
    """Which events a requester receives beside the final reply (``Chat-Events``)."""

    ACCEPTED = "accepted"
    """That it is accepted, and nothing after that: not even the final reply, which it asks for itself."""
    NONE = "none"
    STATE = "state"
    TOKEN = "token"  # noqa: S105 -- a piece of text, no secret


class ResponseMode(StrEnum):
    """When a direct client wants to be answered (``Chat-Respond``)."""

    NOW = "now"
    LATER = "later"
    """Asks for ``Wanted.ACCEPTED``."""


class _QueueEvent(Message):
    id: UUID
    position: Annotated[int, Field(ge=0)] | None = None
    """How many requests are answered before it, the running ones among them; absent where not known."""
    estimate_seconds: Annotated[float, Field(ge=0)] | None = None
    """In how many seconds it will be begun, by the speed measured lately; absent where none was."""


class AcceptedEvent(_QueueEvent):
    """The request is stored in CHAT; from here on it has an outcome."""


class PositionEvent(_QueueEvent):
    """Where the request stands now; the body of ``position``."""


class StartedEvent(Message):
    """A worker has taken the request up."""

    id: UUID
    model: str | None = None


class TokenEvent(Message):
    """A piece of the answer."""

    text: str
    tool_calls: list[dict[str, Any]] | None = None
    """Deltas of calls, in OpenAI's shape; ``text`` may be empty then."""
    logprobs: dict[str, Any] | None = None
    """Those of this piece, in OpenAI's shape."""


class CancelHit(StrEnum):
    """What a cancellation has hit."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    UNKNOWN = "unknown"


class CancelReceipt(Message):
    """What the canceller is told."""

    id: UUID
    hit: Annotated[CancelHit, Field(strict=False)]
