"""What the console and the command line ask the filters, and the replies.

Each of these requests may also get an ``ErrorReply``.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from stile_contracts.messages.base import Message
from stile_contracts.subjects import Lane

_Client = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class VerdictRequest(Message):
    """The body of ``chat.console.verdict``: what would a policy say of this text?"""

    text: Annotated[str, Field(min_length=1, max_length=100_000)]
    """Judged as the one message of a user."""
    policy: Annotated[str, Field(max_length=1_000_000)] | None = None
    """The text of a policy's file (YAML); absent: the policy in use."""


class PolicyFault(Message):
    """One fault of a policy's file."""

    line: Annotated[int, Field(ge=1)]
    reason: str


class RuleVerdict(Message):
    """What one rule says of a text."""

    rule: str
    action: Literal["refuse", "monitor"]
    state: Literal["allow", "refuse", "error", "timeout", "too_slow"]
    """``refuse`` if the rule finds something, also if it only monitors. ``error``, ``timeout`` and
    ``too_slow``: the rule could not be checked."""
    place: str | None = None
    """The location of the text, as in ``Refusal``."""
    score: float | None = None
    """Of a scanner, as it gives it."""
    view: str | None = None
    """Of a keyword: in which way of reading the text it was found."""
    span: tuple[int, int] | None = None
    """Of a keyword: its start and its end in the text, in characters (Unicode code points)."""


class PolicyVerdict(Message):
    """The reply to a ``VerdictRequest``."""

    policy: str | None = None
    """The version of the policy; absent if the text was not judged."""
    state: Literal["allow", "refuse", "error", "timeout", "too_slow"] | None = None
    """The verdict of the whole policy; absent if the text was not judged."""
    rules: list[RuleVerdict] = Field(default_factory=list)
    """Every rule of the policy, in its order, also the rules that find nothing."""
    faults: list[PolicyFault] = Field(default_factory=list)
    """Why the policy that was sent cannot be used. The text is still judged if the policy's own tests are
    all that fails."""


class QueuedRequest(Message):
    """One approved request that waits or is answered."""

    id: UUID
    client: _Client
    lane: Annotated[Lane, Field(strict=False)]
    model: str | None = None
    """The model that answers it, or that it names."""
    position: Annotated[int, Field(ge=0)] | None = None
    """Of one that waits: the number of requests that are answered before it."""
    estimate_seconds: Annotated[float, Field(ge=0)] | None = None
    """Of one that waits: seconds until it starts; absent if unknown."""
    seconds: Annotated[float, Field(ge=0)]
    """For how long it has waited, or has been answered."""


class QueueListing(Message):
    """The reply to ``chat.console.queue``: the queue as one filter sees it."""

    now_ms: Annotated[int, Field(ge=0)]
    held: bool
    """Whether the queue is on hold: workers start nothing."""
    running: list[QueuedRequest]
    """Oldest start first."""
    waiting: list[QueuedRequest]
    """In the order in which they will be answered, as far as the filter can tell; the first 1,000."""
    waiting_count: Annotated[int, Field(ge=0)]
    """All that wait, also those that are not listed."""


class CancelRequest(Message):
    """The body of ``chat.console.cancel``; the reply is a ``CancelReceipt``."""

    client: _Client
    id: UUID


class HoldState(Message):
    """The reply to ``chat.console.hold`` and ``chat.console.resume``."""

    held: bool
