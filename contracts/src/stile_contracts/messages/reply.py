"""A request's outcome: the answer, the refusal, or the error."""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from stile_contracts.errors import ERRORS, ErrorCode
from stile_contracts.messages.base import Message
from stile_contracts.messages.chat_message import ToolCall


class Usage(Message):
    """Counts of tokens, as llama.cpp reports them."""

    prompt_tokens: Annotated[int, Field(ge=0)]
    completion_tokens: Annotated[int, Field(ge=0)]
    total_tokens: Annotated[int, Field(ge=0)]


class Timings(Message):
    """How fast the model was, as llama.cpp reports it."""

    prompt_per_second: Annotated[float, Field(ge=0)] | None = None
    """Tokens of the prompt a second."""
    predicted_per_second: Annotated[float, Field(ge=0)] | None = None
    """Tokens of the answer a second."""


class Refusal(Message):
    """Why the filter refused, without the rule's words."""

    category: str
    """The kind of rule: ``profanity``, ``secrets``, ``prompt_injection`` … as the policy names it."""
    place: str
    """What was refused: ``prompt``, ``messages[3]`` (counted from 0), ``tools[0]``,
    ``response_format``, or ``joined``."""


class Reply(Message):
    """The final answer, or the refusal in its place; the body of ``done`` and of CHAT_RESULT."""

    response: str
    id: UUID
    refused: bool = False
    model: str | None = None
    usage: Usage | None = None
    finish_reason: Literal["stop", "length", "content_filter", "tool_calls"] | None = None
    refusal: Refusal | None = None
    """Set where ``refused`` is."""
    tool_calls: list[ToolCall] | None = None
    logprobs: dict[str, Any] | None = None
    """As llama.cpp reports them, in OpenAI's shape."""
    timings: Timings | None = None

    @model_validator(mode="after")
    def _refusal_is_told(self) -> Self:
        if self.refused != (self.refusal is not None):
            raise ValueError("refusal is set where refused is, and only there")
        return self


class Stage(StrEnum):
    """How far a request has come."""

    FILTER = "filter"
    """It was being checked."""
    WAITING = "waiting"
    """It was approved, and no worker had taken it up."""
    RUNNING = "running"
    """The model was at it."""


class ErrorBody(Message):
    """One error, for people and for programs."""

    code: Annotated[ErrorCode, Field(strict=False)]
    message: str
    """One sentence that says what to do; for people, and free to change."""
    type: str = "stile_error"
    param: str | None = None
    """The field or header at fault."""
    id: UUID | None = None
    """The request's id, where it has one."""
    final: bool
    retry_after: Annotated[float, Field(ge=0)] | None = None
    """Seconds after which a repeat may do better."""
    stage: Annotated[Stage, Field(strict=False)] | None = None
    """Where a request was whose deadline passed."""


class ErrorReply(Message):
    """The one shape of every error, on the bus and over HTTP; the body of ``error``."""

    error: ErrorBody

    @classmethod
    def of(  # noqa: PLR0913 -- each is a field
        cls,
        code: ErrorCode,
        message: str,
        *,
        chat_id: UUID | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        stage: Stage | None = None,
    ) -> Self:
        """Make the error ``code`` with its table's finality."""
        final = ERRORS[code].final
        return cls(
            error=ErrorBody(
                code=code,
                message=message,
                id=chat_id,
                param=param,
                final=final,
                retry_after=retry_after,
                stage=stage,
            )
        )
