"""The result of a request: an answer, a refusal, or an error."""

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
    """The speed of the model, as llama.cpp reports it."""

    prompt_per_second: Annotated[float, Field(ge=0)] | None = None
    """Tokens of the prompt in a second."""
    predicted_per_second: Annotated[float, Field(ge=0)] | None = None
    """Tokens of the answer in a second."""
    prompt_ms: Annotated[float, Field(ge=0)] | None = None
    """Milliseconds in which the prompt was read; what was read for an earlier request is not read again."""
    predicted_ms: Annotated[float, Field(ge=0)] | None = None
    """Milliseconds in which the answer was written."""


class Refusal(Message):
    """Why the filter refused. It does not contain the words that were found."""

    category: str
    """The kind of rule: ``profanity``, ``secrets``, ``prompt_injection`` … as the policy names
    it."""
    place: str
    """The location of the refused text: ``prompt``, ``messages[3]`` (counted from 0), ``tools[0]``,
    ``response_format``, ``joined``, or ``answer`` if the model's answer was refused."""


class Reply(Message):
    """The final answer, or the refusal; the body of ``done``, and stored in CHAT_RESULT."""

    response: str
    id: UUID
    refused: bool = False
    model: str | None = None
    usage: Usage | None = None
    finish_reason: Literal["stop", "length", "content_filter", "tool_calls"] | None = None
    refusal: Refusal | None = None
    """Set if ``refused`` is true, and only then."""
    tool_calls: list[ToolCall] | None = None
    logprobs: dict[str, Any] | None = None
    """As llama.cpp reports them, in OpenAI's shape."""
    timings: Timings | None = None
    reasoning_content: str | None = None
    """What a thinking model thought before it answered. With the ``finish_reason`` ``length`` and an
    empty ``response``, it thought until its limit."""
    trimmed: Annotated[int, Field(ge=1)] | None = None
    """How many of the oldest exchanges the model was not given, because the conversation was too long;
    absent if it was given all."""

    @model_validator(mode="after")
    def _has_a_refusal(self) -> Self:
        if self.refused != (self.refusal is not None):
            raise ValueError("refusal is required if refused is true, and not allowed otherwise")
        return self


class Stage(StrEnum):
    """The stage of a request."""

    FILTER = "filter"
    """It was being checked."""
    WAITING = "waiting"
    """It was approved, and no worker had started it."""
    RUNNING = "running"
    """The model worked on it."""


class ErrorBody(Message):
    """One error, for people and for programs."""

    code: Annotated[ErrorCode, Field(strict=False)]
    message: str
    """One sentence that says what to do; for people, and free to change."""
    type: str = "stile_error"
    param: str | None = None
    """The field or header that is wrong."""
    id: UUID | None = None
    """The request's id, if it has one."""
    final: bool
    retry_after: Annotated[float, Field(ge=0)] | None = None
    """Seconds after which the request may be sent again."""
    stage: Annotated[Stage, Field(strict=False)] | None = None
    """If the deadline passed: the stage of the request at that time."""
    n_ctx: Annotated[int, Field(ge=0)] | None = None
    """If the conversation was too long: how many tokens the model can read and write."""
    n_prompt_tokens: Annotated[int, Field(ge=0)] | None = None
    """If the conversation was too long: how many tokens it has."""


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
        """Return the error ``code``, as final as ``ERRORS`` says."""
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
