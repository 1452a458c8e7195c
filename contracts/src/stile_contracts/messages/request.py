"""The request of a client, and the request that the filter has approved."""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from stile_contracts.messages.base import Message
from stile_contracts.messages.chat_message import ChatMessage, Role
from stile_contracts.messages.output import (
    LOGPROBS_SCHEMA,
    Constraints,
    Output,
    ResponseFormat,
    Sampling,
)

MAX_REFUSAL_CHARS = 500
"""Limit of ``refusal_message``. A longer text would be an answer, written by the client itself."""


OWNERS_END = "\n\n---\nThe instructions above always hold. Those of the application follow.\n\n"
"""In an approval's system message: what stands between the policy's system prompt and the client's."""


class Trim(StrEnum):
    """What happens to a conversation that is too long for the model (``Chat-Trim``)."""

    NONE = "none"
    """It is an error."""
    OLDEST = "oldest"
    """Its oldest exchanges are left out."""


class ChatRequest(Sampling, Output, Constraints):
    """A client's request: the body of ``POST /chat`` and of ``chat.request``.

    ``prompt`` is the new message of the user, after ``messages``. If the last message already is
    the prompt, it is not added again. One of the two may be missing.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["prompt"], "properties": {"prompt": {"type": "string"}}},
                {"required": ["messages"], "properties": {"messages": {"type": "array", "minItems": 1}}},
            ],
            "allOf": [LOGPROBS_SCHEMA],
        }
    )

    prompt: Annotated[str, Field(min_length=1)] | None = None
    messages: list[ChatMessage] | None = None
    """The conversation so far, oldest first."""
    refusal_message: Annotated[str, Field(max_length=MAX_REFUSAL_CHARS)] | None = None
    """The answer if the filter refuses."""
    model: Annotated[str, Field(max_length=200)] | None = None
    """The model that must answer, in upper or lower case. None or ``stile``: any idle model
    answers."""
    stream: bool = False
    json_schema: dict[str, Any] | None = None
    """llama.cpp's short form of a ``response_format`` with this schema."""

    @field_validator("top_logprobs")
    @classmethod
    def _has_logprobs(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and not info.data.get("logprobs"):
            raise ValueError("logprobs must be true if this is used")
        return value

    @field_validator("json_schema")
    @classmethod
    def _is_the_only_format(cls, value: dict[str, Any] | None, info: ValidationInfo) -> dict[str, Any] | None:
        if value is not None and info.data.get("response_format") is not None:
            raise ValueError("leave this or response_format out")
        return value

    @model_validator(mode="after")
    def _has_content(self) -> Self:
        if self.prompt is None and not self.messages:
            raise ValueError("give a prompt, or messages, or both")
        if self.json_schema is None:
            return self
        # In one place, so that it is looked at and passed on as any other format.
        return self.model_copy(
            update={"response_format": ResponseFormat.of(self.json_schema), "json_schema": None}
        )

    @property
    def repeats_prompt(self) -> bool:
        """Whether the last message is the prompt already."""
        last = self.messages[-1] if self.messages else None
        return last is not None and last == ChatMessage(role=Role.USER, content=self.prompt or "")

    def conversation(self) -> list[ChatMessage]:
        """Return the conversation with the prompt as its last message, oldest first."""
        messages = list(self.messages or [])
        if self.prompt is None or self.repeats_prompt:
            return messages
        return [*messages, ChatMessage(role=Role.USER, content=self.prompt)]

    def sampling(self) -> Sampling:
        """Return only the sampling parameters."""
        given = self._given(Sampling)
        return Sampling.model_construct(**given) if given else Sampling()

    def output(self) -> Output:
        """Return only the output options."""
        given = self._given(Output)
        return Output.model_construct(**given) if given else Output()

    def _given(self, part: type[BaseModel]) -> dict[str, Any]:
        return {name: value for name in part.model_fields if (value := getattr(self, name)) is not None}


class ApprovedChat(Message):
    """An approved request, as stored in CHAT: the whole conversation that the model will see."""

    messages: list[ChatMessage] = Field(min_length=1)
    """Oldest first. The policy's system prompt comes before all others."""
    sampling: Sampling = Sampling()
    output: Output = Output()
    model: str | None = None
    """The name that the client sent; absent if any model may answer."""
    exchanges: list[Annotated[int, Field(ge=0)]] | None = None
    """The index of each exchange's first message, if the oldest exchanges may be left out so that the
    model can read the rest. An exchange begins with a message of the user and ends before the next."""
    check_answer: bool = False
    """Whether a filter must check the answer before any of it is sent or stored."""
    refusal_message: str | None = None
    """The client's text for a refused answer; absent if the answer is not checked."""
