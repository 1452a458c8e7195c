"""A chat completion's request, read once and written as a ``ChatRequest``.

Parameters that Stile does not know are ignored, as llama.cpp does. A parameter that would change the shape of
the answer, and cannot be done, is an error that names it.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from stile_contracts.messages import (
    INTEGRAL,
    LOGPROBS_SCHEMA,
    ChatMessage,
    Constraints,
    MaxTokens,
    Output,
    Role,
    Sampling,
    roles_schema,
)
from stile_gateway.dialects.base import ApiRequest
from stile_gateway.dialects.bodies import Part, chat_body, items, json_object, kind, validated
from stile_gateway.errors import UnsupportedParameterError

_DEVELOPER = "developer"

_Stop = Annotated[str, Field(min_length=1, max_length=200)]
_Stops = Annotated[list[_Stop], Field(max_length=16)]


_ADVICE = {
    "functions": "send functions as tools",
    "function_call": "send a tool_choice",
    "logit_bias": "no token can be favoured, so leave it out",
}


class TextPart(Part):
    """A piece of a message's text."""

    type: Literal["text"]
    text: str


class Message(ChatMessage):
    """One message of a conversation; what it must have by its role is the contract's rule."""

    model_config = ConfigDict(json_schema_extra=roles_schema(Role.SYSTEM, Role.USER, _DEVELOPER))

    role: Literal["system", "developer", "user", "assistant", "tool"]  # type: ignore[assignment]  # one more
    """``developer`` is another word for ``system``; the policy may allow neither."""
    content: str | list[TextPart] | None = None  # type: ignore[assignment]
    """A text, or its parts, each on lines of its own; no parts are an empty text."""

    @model_validator(mode="before")
    @classmethod
    def _may_be_empty(cls, fields: Any) -> Any:  # noqa: ANN401 -- whatever JSON came
        """Take an assistant's message of no parts as one without content."""
        if isinstance(fields, dict) and fields.get("role") == Role.ASSISTANT and fields.get("content") == []:
            return {**fields, "content": None}
        return fields


class StreamOptions(Part):
    """How the answer is streamed."""

    include_usage: bool | None = None
    """The counts of tokens come in a chunk of their own, the last."""


class CompletionRequest(Sampling, Output, Constraints):
    """The body of ``POST /v1/chat/completions``: OpenAI's, and llama.cpp's sampling parameters."""

    model_config = ConfigDict(json_schema_extra=LOGPROBS_SCHEMA)

    model: Annotated[str, Field(max_length=200)] | None = None
    """One of ``/v1/models``, in upper or lower case; without one, or as ``stile``, any model."""
    messages: list[Message] = Field(min_length=1)
    """The conversation, oldest first."""
    max_completion_tokens: MaxTokens | None = None
    """Outweighs ``max_tokens``, its older name."""
    stop: _Stop | _Stops | None = None  # type: ignore[assignment]  # OpenAI takes a text alone too
    n: Annotated[int, Field(ge=1, le=1), INTEGRAL] | None = None
    """One answer."""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    json_schema: dict[str, Any] | None = None
    """llama.cpp's short form of a ``response_format`` with this schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionCall(ApiRequest):
    """A ``CompletionRequest``, translated."""

    model: str | None = None
    """As the client named it."""
    include_usage: bool = False
    created: int = field(default_factory=lambda: int(time.time()))
    """When it came, in seconds since the Unix epoch."""


def read_completion(body: bytes) -> CompletionCall:
    """Read and translate a body.

    Raises:
        UnsupportedParameterError: it asks for what Stile cannot do.
        InvalidRequestError: it is no such request; ``param`` is the field at fault.
    """
    fields = json_object(body)
    _check_supported(fields)
    request = validated(CompletionRequest, fields)
    messages = [_translate(message) for message in request.messages]
    options = request.stream_options
    return CompletionCall(
        body=_chat_request(request, messages),
        contents=[message.get("content") for message in messages],
        is_stream=bool(request.stream),
        model=request.model,
        include_usage=bool(options and options.include_usage),
    )


def _chat_request(request: CompletionRequest, messages: list[dict[str, Any]]) -> bytes:
    """Write ``request`` as a ``ChatRequest``."""
    same = {*Sampling.model_fields, *Output.model_fields, "json_schema", "model"}
    chat = request.model_dump(mode="json", include=same, exclude_none=True)
    chat["messages"] = messages
    if request.max_completion_tokens is not None:
        chat["max_tokens"] = request.max_completion_tokens
    if isinstance(request.stop, str):
        chat["stop"] = [request.stop]
    return chat_body(chat)


def _translate(message: Message) -> dict[str, Any]:
    translated = message.model_dump(mode="json", exclude_none=True)
    if message.role == _DEVELOPER:
        translated["role"] = Role.SYSTEM.value
    if isinstance(message.content, list):
        # As llama.cpp joins them for its templates.
        translated["content"] = "\n".join(part.text for part in message.content if part.text)
    return translated


def _check_supported(body: Mapping[str, Any]) -> None:
    """Refuse what OpenAI's API has and Stile's has not."""
    n = body.get("n")
    if isinstance(n, int | float) and n > 1:
        raise UnsupportedParameterError("One answer is given at a time; leave n out.", param="n")
    if "audio" in items(body.get("modalities")) or body.get("audio") is not None:
        raise UnsupportedParameterError("Answers are text; leave audio out.", param="modalities")
    for name in Constraints.model_fields:
        if body.get(name):
            advice = _ADVICE.get(name, "ask for JSON by a schema in response_format")
            raise UnsupportedParameterError(f"{name} is not supported; {advice}.", param=name)
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        raise UnsupportedParameterError("logprobs must be true if this is used.", param="top_logprobs")
    for index, tool in enumerate(items(body.get("tools"))):
        if kind(tool) not in {"function", None}:
            raise UnsupportedParameterError("A tool is a function.", param=f"tools[{index}].type")
    if kind(body.get("tool_choice")) not in {"function", None}:
        raise UnsupportedParameterError("A tool is a function.", param="tool_choice.type")
    _check_text(items(body.get("messages")))


def _check_text(messages: list[Any]) -> None:
    for index, message in enumerate(messages):
        parts = items(message.get("content")) if isinstance(message, dict) else ()
        for number, part in enumerate(parts):
            if kind(part) not in {"text", None}:
                param = f"messages[{index}].content[{number}]"
                raise UnsupportedParameterError("Messages hold text alone.", param=param)
