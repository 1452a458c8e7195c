"""Ollama's messages and tools in Stile's terms.

Ollama's calls of tools have no ids, and a tool's answer names the tool, or nothing. Here each call gets an
id, and each answer that of the call which it belongs to.
"""

from collections.abc import Iterable
from itertools import count
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from stile_contracts.messages import CallId, FunctionName
from stile_gateway.dialects.bodies import Part, ToolArguments, tool_call


class CalledFunction(Part):
    """A call of a function by the model."""

    name: FunctionName
    arguments: ToolArguments = Field({})


class CalledTool(Part):
    """One call of a tool."""

    id: CallId | None = None
    """Stile gives one; older clients do not send it back."""
    function: CalledFunction


_MESSAGE: dict[str, Any] = {
    "anyOf": [
        {
            "properties": {
                "role": {"enum": ["system", "user", "tool"]},
                "tool_calls": {"anyOf": [{"type": "null"}, {"type": "array", "maxItems": 0}]},
            }
        },
        {"properties": {"role": {"const": "assistant"}}},
    ]
}


class OllamaMessage(Part):
    """One message of a conversation."""

    model_config = ConfigDict(json_schema_extra=_MESSAGE)

    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    images: Annotated[list[Any], Field(max_length=0)] | None = None
    tool_calls: list[CalledTool] | None = Field(None, max_length=128)
    """Only in messages of the assistant."""
    tool_name: str | None = None
    """The tool whose answer this is."""
    tool_call_id: CallId | None = None
    """The call that is answered, if the client knows its id."""

    @model_validator(mode="after")
    def _calls_only_as_assistant(self) -> Self:
        if self.tool_calls and self.role != "assistant":
            raise ValueError("only the assistant calls tools")
        return self


class OllamaFunction(Part):
    """A function that the model may call."""

    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    """A JSON Schema."""


class OllamaTool(Part):
    """A tool that the model may use."""

    type: Literal["function"] | None = None
    function: OllamaFunction

    def translated(self) -> dict[str, Any]:
        """Return it as a ``Tool``."""
        return {"type": "function", "function": self.function.model_dump(mode="json", exclude_none=True)}


def translated(messages: Iterable[OllamaMessage]) -> list[dict[str, Any]]:
    """Return a conversation as ``ChatMessage``s."""
    made = (f"call_{number}" for number in count())
    open_calls: dict[str, str] = {}
    """The name of each tool that was called and has not answered, by the call's id."""
    conversation: list[dict[str, Any]] = []
    for message in messages:
        turn: dict[str, Any] = {"role": message.role, "content": message.content or ""}
        if message.role == "tool":
            turn["tool_call_id"] = answered = _answered(message, open_calls)
            open_calls.pop(answered, None)
        elif message.tool_calls:
            calls = [(call.id or next(made), call.function) for call in message.tool_calls]
            open_calls = {call_id: function.name for call_id, function in calls}
            turn["tool_calls"] = [
                tool_call(own, function.name, function.arguments) for own, function in calls
            ]
        conversation.append(turn)
    return conversation


def _answered(message: OllamaMessage, open_calls: dict[str, str]) -> str:
    """Return the id of the call that a tool's answer belongs to; the first one, if nothing says which."""
    if message.tool_call_id is not None:
        return message.tool_call_id
    named = (call_id for call_id, name in open_calls.items() if name == message.tool_name)
    return next(named, next(iter(open_calls), ""))
