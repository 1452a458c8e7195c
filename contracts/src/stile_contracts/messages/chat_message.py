"""The messages of a conversation."""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from stile_contracts import strict_json
from stile_contracts.messages.base import CallId, FunctionName, Message


class Role(StrEnum):
    """The speaker of a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class FunctionCall(Message):
    """A call of a function by the model."""

    name: FunctionName
    arguments: str
    """JSON, as the model wrote it."""


class ToolCall(Message):
    """One call of a tool, as in OpenAI's API."""

    id: CallId
    type: Literal["function"] = "function"
    function: FunctionCall


def _canonical(arguments: str) -> str:
    """Return arguments in one form for all readers. Many clients send "" for no arguments."""
    if not arguments:
        return "{}"
    try:
        return strict_json.canonical(strict_json.read_object(arguments))
    except ValueError:
        # The parser's message may quote the text.
        raise ValueError("must be one JSON object, without equal keys and at most 64 levels deep") from None


class HistoryFunctionCall(FunctionCall):
    """A call of a function in the conversation that a client sends."""

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
    """A JSON object; an empty text is an empty object. It is parsed strictly and rewritten in one
    form."""


class HistoryToolCall(ToolCall):
    """A tool call in the conversation that a client sends."""

    function: HistoryFunctionCall


def roles_schema(*plain: Role | str) -> dict[str, Any]:
    """Return the JSON Schema of the fields by role; roles in ``plain`` cannot call tools."""
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
                "properties": {"role": {"const": Role.ASSISTANT}, "tool_call_id": null},
                "required": ["role"],
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
    """May be absent only in messages of the assistant."""
    tool_calls: list[HistoryToolCall] | None = Field(None, max_length=128)
    """Only in messages of the assistant."""
    tool_call_id: CallId | None = None
    """The call that a ``tool`` message answers."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.tool_calls and self.role != Role.ASSISTANT:
            raise ValueError("only the assistant calls tools")
        if (self.role == Role.TOOL) != (self.tool_call_id is not None):
            raise ValueError("tool messages need a tool_call_id, and no others may have one")
        if self.content is None and self.role != Role.ASSISTANT:
            raise ValueError("content is missing")
        return self
