"""What a client asks, and what the filter makes of it."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from stile_contracts.messages.base import Message
from stile_contracts.messages.chat_message import ChatMessage, Role
from stile_contracts.messages.output import LOGPROBS_SCHEMA, Output, Sampling

MAX_REFUSAL_CHARS = 500
"""Of ``refusal_message``; longer ones are no refusal but an answer of the client's own making."""


class ChatRequest(Sampling, Output):
    """What a client asks: ``POST /chat`` and ``chat.request``.

    ``prompt`` is the new user turn after ``messages``; where the last message already is that turn it is
    not doubled. Either may be missing, not both.
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
    """What the client wants to be answered where the filter refuses."""
    model: Annotated[str, Field(max_length=200)] | None = None
    """Which is to answer, in upper or lower case; without one, or as ``stile``, whichever is idle."""
    stream: bool = False

    @field_validator("top_logprobs")
    @classmethod
    def _has_logprobs(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and not info.data.get("logprobs"):
            raise ValueError("logprobs must be true if this is used")
        return value

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.prompt is None and not self.messages:
            raise ValueError("give a prompt, or messages, or both")
        return self

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
        """Return the sampling parameters alone."""
        return Sampling.model_construct(**self._given(Sampling))

    def output(self) -> Output:
        """Return what the answer is to be, alone."""
        return Output.model_construct(**self._given(Output))

    def _given(self, part: type[BaseModel]) -> dict[str, Any]:
        return {name: getattr(self, name) for name in part.model_fields if getattr(self, name) is not None}


class ApprovedChat(Message):
    """What the filter approved, as it lies in CHAT: the whole conversation that the model will see."""

    messages: list[ChatMessage] = Field(min_length=1)
    """Oldest first, the policy's system prompt before all."""
    sampling: Sampling = Sampling()
    output: Output = Output()
    model: str | None = None
    """As the client named it; left out where any may answer."""
