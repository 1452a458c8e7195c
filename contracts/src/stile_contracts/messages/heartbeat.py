"""The heartbeats of filters and workers."""

from typing import Annotated, Literal

from pydantic import Field

from stile_contracts.messages.base import Message


class LaneState(Message):
    """One lane of the queue."""

    waiting: Annotated[int, Field(ge=0)]
    """Approved requests that no worker has started."""
    estimate_seconds: Annotated[float, Field(ge=0)] | None = None
    """Seconds until a new client's request would start; absent if no speed was measured."""


class QueueState(Message):
    """The queue: both lanes and the running requests."""

    interactive: LaneState
    batch: LaneState
    running: Annotated[int, Field(ge=0)]
    """Requests that a worker has started."""


class Heartbeat(Message):
    """The state of a filter or a worker (``consumer``), sent every two seconds or more often."""

    part: Literal["filter", "consumer"]
    instance: str
    """Unique to the process."""
    version: str
    ready: bool
    reason: str | None = None
    """Why it is not ready, in one sentence."""
    now_ms: Annotated[int, Field(ge=0)] | None = None
    """The sender's clock: milliseconds since the Unix epoch, UTC. Deadlines are compared with
    it."""
    alive_seconds: Annotated[float, Field(gt=0, le=60)] | None = None
    """How long the sender counts as alive after this heartbeat, in seconds; 5 if it is absent, as in earlier
    versions."""
    model: str | None = None
    """Of a worker: its model, as llama.cpp names it."""
    service_seconds: Annotated[float, Field(ge=0)] | None = None
    """Seconds from the start of a request to its end, as a moving average."""
    prompt_per_second: Annotated[float, Field(ge=0)] | None = None
    """Of a worker: tokens of prompts that its model reads in a second, as a moving average."""
    predicted_per_second: Annotated[float, Field(ge=0)] | None = None
    """Of a worker: tokens of answers that its model writes in a second, as a moving average."""
    answer_tokens: Annotated[float, Field(ge=0)] | None = None
    """Of a worker: tokens of an answer, as a moving average."""
    n_ctx: Annotated[int, Field(ge=1)] | None = None
    """Of a worker: tokens that one conversation of its model may have, with its answer, as llama.cpp's
    ``/props`` says."""
    supports_tools: bool | None = None
    """Of a worker: whether the model's chat template knows tools, as llama.cpp's ``/props`` says."""
    approval_keys: list[Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]] | None = None
    """Of a worker: the ids of the signing keys that it accepts; absent if it does not verify
    signatures."""
    checks_answers: bool | None = None
    """Of a worker: whether it has a filter check an answer if the approval says so; absent in earlier
    versions, which do not."""
    queue: QueueState | None = None
    """Of a filter: its view of the queue."""
    policy: str | None = None
    """Of a filter: the version of the policy in use."""
    policy_refused: bool | None = None
    """Of a filter: whether the policy's file is refused, so that an earlier policy is in use."""
    held: bool | None = None
    """Whether the queue is on hold: the sender's workers start nothing until it is resumed."""
