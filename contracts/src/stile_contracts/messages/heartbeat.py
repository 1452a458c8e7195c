"""What the services say of themselves."""

from typing import Annotated, Literal

from pydantic import Field

from stile_contracts.messages.base import Message


class LaneState(Message):
    """One lane of the queue."""

    waiting: Annotated[int, Field(ge=0)]
    """Approved requests that no worker has taken up."""
    estimate_seconds: Annotated[float, Field(ge=0)] | None = None
    """In how many seconds a new client's request would be begun; absent where no speed was measured."""


class QueueState(Message):
    """All lanes."""

    interactive: LaneState
    batch: LaneState
    running: Annotated[int, Field(ge=0)]
    """Requests that a worker has taken up."""


class Heartbeat(Message):
    """What a filter or a consumer says of itself every two seconds."""

    part: Literal["filter", "consumer"]
    instance: str
    """Unique to the process."""
    version: str
    ready: bool
    reason: str | None = None
    """Why it is not ready, one sentence."""
    now_ms: Annotated[int, Field(ge=0)] | None = None
    """The sender's clock: milliseconds since the Unix epoch, UTC. Deadlines are compared with it."""
    model: str | None = None
    """The consumer's model, as llama.cpp names it."""
    service_seconds: Annotated[float, Field(ge=0)] | None = None
    """How long a request has lately taken from its start to its end, a moving average."""
    prompt_per_second: Annotated[float, Field(ge=0)] | None = None
    """The consumer's: tokens of prompts that its model reads a second, a moving average."""
    predicted_per_second: Annotated[float, Field(ge=0)] | None = None
    """The consumer's: tokens of answers that its model writes a second, a moving average."""
    answer_tokens: Annotated[float, Field(ge=0)] | None = None
    """The consumer's: tokens of an answer, a moving average."""
    approval_keys: list[Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]] | None = None
    """The consumer's: the ids of the signing keys that it believes; absent where it checks no signatures."""
    queue: QueueState | None = None
    """The filter's: the queue as it sees it."""
