"""The items of a conversation: as a client sends them, as messages, and as a client reads them again."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Discriminator, Field, Tag

from stile_contracts.messages import CallId, Reply, Role
from stile_contracts.messages.chat_message import HistoryFunctionCall
from stile_gateway.dialects.bodies import Part
from stile_gateway.errors import NotFoundError


class ItemText(Part):
    """A piece of a text."""

    type: Literal["input_text", "output_text", "text"]
    text: str


class ItemRefusal(Part):
    """A refusal of the model, which is a text too."""

    type: Literal["refusal"]
    refusal: str


def _part_kind(part: object) -> str | None:
    kind = part.get("type") if isinstance(part, dict) else getattr(part, "type", None)
    return None if not isinstance(kind, str) else "Refusal" if kind == "refusal" else "Text"


# Tags begin with capitals: so they are in no error's `param` (`stile_contracts.params`).
_Parts = Annotated[
    list[
        Annotated[
            Annotated[ItemText, Tag("Text")] | Annotated[ItemRefusal, Tag("Refusal")],
            Discriminator(_part_kind),
        ]
    ],
    Field(min_length=1),
]


class MessageItem(Part):
    """A message."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    """``developer`` is another word for ``system``."""
    content: str | _Parts
    """A text, or its parts, which are lines of it."""


class CallItem(HistoryFunctionCall):
    """A call of a function by the model."""

    type: Literal["function_call"]
    call_id: CallId


class CallOutputItem(Part):
    """What a function returned."""

    type: Literal["function_call_output"]
    call_id: CallId
    output: str | _Parts


class ReasoningItem(Part):
    """What a model thought; the model does not read it again."""

    type: Literal["reasoning"]


class ItemReference(Part):
    """An item of a stored response, by its id."""

    type: Literal["item_reference"]
    id: str


_TAGS = {
    "message": "Message",
    "function_call": "FunctionCall",
    "function_call_output": "FunctionCallOutput",
    "reasoning": "Reasoning",
    "item_reference": "ItemReference",
}


def _kind(item: object) -> str | None:
    kind = item.get("type", "message") if isinstance(item, dict) else getattr(item, "type", "message")
    return _TAGS.get(kind) if isinstance(kind, str) else None


Item = Annotated[
    Annotated[MessageItem, Tag("Message")]
    | Annotated[CallItem, Tag("FunctionCall")]
    | Annotated[CallOutputItem, Tag("FunctionCallOutput")]
    | Annotated[ReasoningItem, Tag("Reasoning")]
    | Annotated[ItemReference, Tag("ItemReference")],
    Discriminator(_kind),
]
Messages = list[dict[str, Any]]
"""A conversation as a ``ChatRequest`` has it."""


def message_id(chat_id: UUID) -> str:
    """Name the message of a response."""
    return f"msg_{chat_id}"


def reasoning_id(chat_id: UUID) -> str:
    """Name what the model thought before a response."""
    return f"rs_{chat_id}"


def call_item_id(chat_id: UUID, index: int) -> str:
    """Name the item of a response's call, counted from 0."""
    return f"fc_{chat_id}_{index}"


def messages_of(
    given: str | Iterable[Item], references: Mapping[str, Messages]
) -> tuple[Messages, list[str]]:
    """Return an input as messages, and the item that each begins with.

    A call belongs to the message of the assistant before it.

    Args:
        given: what the client sent.
        references: the messages of the items that it refers to, by id.

    Raises:
        NotFoundError: there is no such item.
    """
    if isinstance(given, str):
        return [{"role": Role.USER.value, "content": given}], ["input"]
    messages: Messages = []
    places: list[str] = []
    for index, item in enumerate(given):
        match item:
            case MessageItem():
                role = Role.SYSTEM.value if item.role == "developer" else item.role
                messages.append({"role": role, "content": _text(item.content)})
            case CallItem():
                _add(messages, {"role": "assistant", "content": None, "tool_calls": [_call(item)]})
            case CallOutputItem():
                text = _text(item.output)
                messages.append({"role": "tool", "tool_call_id": item.call_id, "content": text})
            case ItemReference():
                if item.id not in references:
                    raise NotFoundError("There is no such item any more; send it whole.", param="input")
                for message in references[item.id]:
                    _add(messages, message)
            case _:
                pass  # what a model thought is not read again
        places += [f"input[{index}]"] * (len(messages) - len(places))
    return messages, places


def message_of(reply: Reply) -> dict[str, Any]:
    """Return an answer as the message that it is in the next conversation."""
    calls = [call.model_dump(mode="json") for call in reply.tool_calls or ()]
    message: dict[str, Any] = {"role": "assistant", "content": reply.response}
    if calls:
        message |= {"content": reply.response or None, "tool_calls": calls}
    return message


def split(messages: Messages) -> Messages:
    """Return messages that are one item each: a call stands alone."""
    found: Messages = []
    for message in messages:
        calls = message.get("tool_calls") or ()
        if message.get("content") is not None:
            found.append({name: value for name, value in message.items() if name != "tool_calls"})
        found.extend({"role": "assistant", "content": None, "tool_calls": [call]} for call in calls)
    return found


def input_items(chat_id: UUID, messages: Messages) -> list[dict[str, Any]]:
    """Return messages as the items that a client reads, oldest first."""
    return [
        {"id": f"item_{chat_id}_{index}", "status": "completed", **_item(message)}
        for index, message in enumerate(split(messages))
    ]


def _item(message: dict[str, Any]) -> dict[str, Any]:
    if message["role"] == "tool":
        named = {"call_id": message["tool_call_id"], "output": message["content"]}
        return {"type": "function_call_output", **named}
    if message["content"] is None:
        [call] = message["tool_calls"]
        return {"type": "function_call", "call_id": call["id"], **call["function"]}
    part: dict[str, Any] = {"type": "input_text", "text": message["content"]}
    if message["role"] == "assistant":
        part = {"type": "output_text", "text": message["content"], "annotations": []}
    return {"type": "message", "role": message["role"], "content": [part]}


def _text(content: str | list[ItemText | ItemRefusal]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.text if isinstance(part, ItemText) else part.refusal for part in content)


def _call(item: CallItem) -> dict[str, Any]:
    function = {"name": item.name, "arguments": item.arguments}
    return {"id": item.call_id, "type": "function", "function": function}


def _add(messages: Messages, message: dict[str, Any]) -> None:
    """Append a message; one with nothing but calls goes into the assistant's before it."""
    last = messages[-1] if messages else None
    if last is None or last["role"] != "assistant" or message.get("content") is not None:
        messages.append(message)
    else:
        messages[-1] = {**last, "tool_calls": [*last.get("tool_calls", ()), *message["tool_calls"]]}
