"""The conversation: who speaks, and what is said."""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from stile_contracts import strict_json
from stile_contracts.messages.base import CallId, FunctionName, Message


class Role(StrEnum):
    """Who speaks in a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class FunctionCall(Message):
    """A function that the model calls."""

    name: FunctionName
    arguments: str
    """JSON, as the model wrote it."""


class ToolCall(Message):
    """One call of a tool, as in OpenAI's API."""

    id: CallId
    type: Literal["function"] = "function"
    function: FunctionCall


def _canonical(arguments: str) -> str:
    """Write arguments in the one form that all readers read alike; many clients send "" for none."""
    if not arguments:
        return "{}"
    try:
        return strict_json.canonical(strict_json.read_object(arguments))
    except ValueError:
        # The reader's own words may hold the text's.
        raise ValueError("must be one JSON object, without equal keys and at most 64 levels deep") from None


class HistoryFunctionCall(FunctionCall):
    """A function that was called, as the client tells it."""

    arguments: Annotated[
        str,
        Field(
            json_schema_extra={
                "format": "json-object",
                "contentMediaType": "application/json",
                "contentSchema": {"type": "object"},
            }
        ),
        AfterValidator(_canonical),
    ]
    """A JSON object; an empty text is an empty one. It is read strictly, and handed on written anew."""


class HistoryToolCall(ToolCall):
    """A call in the conversation so far."""

    function: HistoryFunctionCall


def roles_schema(*plain: Role | str) -> dict[str, Any]:
    """Say in JSON Schema which fields a message has by its role; ``plain`` are those who can't call tools."""
    null = {"type": "null"}
    filled = {"not": null}
    return {
        "anyOf": [
            {
                "properties": {
                    "role": {"enum": list(plain)},
                    "content": filled,
                    "tool_calls": {"anyOf": [null, {"type": "array", "maxItems": 0}]},
                    "tool_call_id": null,
                },
                "required": ["role", "content"],
            },
            {
                "properties": {
                    "role": {"const": Role.ASSISTANT},
                    "content": filled,
                    "tool_call_id": null,
                },
                "required": ["role", "content"],
            },
            {
                "properties": {
                    "role": {"const": Role.ASSISTANT},
                    "tool_calls": {"type": "array", "minItems": 1},
                    "tool_call_id": null,
                },
                "required": ["role", "tool_calls"],
            },
            {
                "properties": {
                    "role": {"const": Role.TOOL},
                    "content": filled,
                    "tool_calls": {"anyOf": [null, {"type": "array", "maxItems": 0}]},
                    "tool_call_id": filled,
                },
                "required": ["role", "content", "tool_call_id"],
            },
        ]
    }


class ChatMessage(Message):
    """One message of a conversation."""

    model_config = ConfigDict(json_schema_extra=roles_schema(Role.SYSTEM, Role.USER))

    role: Annotated[Role, Field(strict=False)]
    content: str | None = None
    """May be absent only where the assistant calls tools."""
    tool_calls: list[HistoryToolCall] | None = Field(None, max_length=128)
    """The assistant's."""
    tool_call_id: CallId | None = None
    """Which call a ``tool`` message answers."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.tool_calls and self.role != Role.ASSISTANT:
            raise ValueError("only the assistant calls tools")
        if (self.role == Role.TOOL) != (self.tool_call_id is not None):
            raise ValueError("tool_call_id stands in tool messages, and only there")
        if self.content is None and not self.tool_calls:
            raise ValueError("content is missing")
        return self
