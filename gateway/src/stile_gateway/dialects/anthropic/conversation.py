"""Anthropic's messages and tools in Stile's terms.

A message of blocks may become several: the results of tools are messages of their own. Neighbours of one role
become one message, as in Anthropic's API.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from stile_contracts.messages import CallId, FunctionName
from stile_gateway.dialects.bodies import Part, ToolArguments, tool_call

_JOIN = "\n"
"""Between two blocks of text."""


class TextBlock(Part):
    """A piece of text."""

    type: Literal["text"]
    text: str


class ThinkingBlock(Part):
    """What a model has thought; it is left out."""

    type: Literal["thinking", "redacted_thinking"]


class ToolUseBlock(Part):
    """A call of a tool by the model."""

    type: Literal["tool_use"]
    id: CallId
    name: FunctionName
    input: ToolArguments


class ToolResultBlock(Part):
    """What a tool has answered."""

    type: Literal["tool_result"]
    tool_use_id: CallId
    content: str | list[TextBlock] | None = None
    is_error: bool | None = None
    """The text says what went wrong."""


_UserBlock = Annotated[TextBlock | ToolResultBlock, Field(discriminator="type")]
_AssistantBlock = Annotated[TextBlock | ToolUseBlock | ThinkingBlock, Field(discriminator="type")]


class UserMessage(Part):
    """A message of the user: text, and the results of tools."""

    role: Literal["user"]
    content: str | Annotated[list[_UserBlock], Field(min_length=1)]


class AssistantMessage(Part):
    """A message of the model: text, and its calls of tools."""

    role: Literal["assistant"]
    content: str | Annotated[list[_AssistantBlock], Field(min_length=1, max_length=128)]


AnyMessage = Annotated[UserMessage | AssistantMessage, Field(discriminator="role")]


class CustomTool(Part):
    """A tool that the client runs."""

    type: Literal["custom"] | None = None
    name: FunctionName
    description: str | None = None
    input_schema: dict[str, Any]
    """A JSON Schema."""

    def translated(self) -> dict[str, Any]:
        """Return it as a ``Tool``."""
        function = {"name": self.name, "description": self.description, "parameters": self.input_schema}
        return {
            "type": "function",
            "function": {name: value for name, value in function.items() if value is not None},
        }


class Turn(NamedTuple):
    """One ``ChatMessage``."""

    fields: dict[str, Any]
    place: str
    """Where in the client's request it is."""


def translated(system: str | Sequence[TextBlock] | None, messages: Iterable[AnyMessage]) -> list[Turn]:
    """Return a conversation as ``ChatMessage``s, oldest first."""
    turns: list[Turn] = []
    if instructions := _text(system or ""):
        turns.append(Turn({"role": "system", "content": instructions}, "system"))
    for index, message in enumerate(messages):
        said = _user(message.content) if message.role == "user" else _assistant(message.content)
        for fields in said:
            if turns and _continues(turns[-1].fields, fields):
                turns[-1].fields["content"] += _JOIN + fields["content"]
            else:
                turns.append(Turn(fields, f"messages[{index}]"))
    return turns


def _continues(last: dict[str, Any], fields: dict[str, Any]) -> bool:
    has_calls = "tool_calls" in last or "tool_calls" in fields
    return last["role"] == fields["role"] != "tool" and not has_calls


def _user(content: str | Sequence[TextBlock | ToolResultBlock]) -> Iterator[dict[str, Any]]:
    if isinstance(content, str):
        yield {"role": "user", "content": content}
        return
    for block in content:
        if isinstance(block, TextBlock):
            yield {"role": "user", "content": block.text}
        else:
            result = _text(block.content or "")
            yield {"role": "tool", "tool_call_id": block.tool_use_id, "content": result}


def _assistant(
    content: str | Sequence[TextBlock | ToolUseBlock | ThinkingBlock],
) -> Iterator[dict[str, Any]]:
    if isinstance(content, str):
        yield {"role": "assistant", "content": content}
        return
    fields: dict[str, Any] = {
        "role": "assistant",
        "content": _text([block for block in content if isinstance(block, TextBlock)]),
    }
    if calls := [
        tool_call(block.id, block.name, block.input) for block in content if isinstance(block, ToolUseBlock)
    ]:
        fields["tool_calls"] = calls
    yield fields


def _text(content: str | Sequence[TextBlock]) -> str:
    return content if isinstance(content, str) else _JOIN.join(block.text for block in content)
