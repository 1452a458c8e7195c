"""Every text of a request that the model will read, and its place."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel

from stile_contracts.messages import ChatRequest, Turn

_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"')
"""A string as JSON writes it."""


class Text(NamedTuple):
    """One text, as it is to be scanned."""

    text: str
    place: str
    """``prompt``, ``messages[3]``, ``tools[0]``, ``response_format``."""


def of(request: ChatRequest) -> list[Text]:
    """Return all texts, the prompt first; the same one may stand in several places."""
    texts = [
        Text(text, f"messages[{index}]")
        for index, message in enumerate(request.messages or [])
        for text in _of_turn(message)
    ]
    if request.prompt is not None:
        # The prompt keeps its name where an older client sends it as the last message too.
        texts.insert(0, Text(request.prompt, "prompt"))
    return [*texts, *of_output(request)]


def joined(request: ChatRequest) -> str:
    """Return everything that the model will read as one text, in the conversation's order."""
    conversation = [text for turn in request.turns() for text in _of_turn(turn)]
    return "\n".join([*conversation, *(text.text for text in of_output(request))])


def of_output(request: ChatRequest) -> list[Text]:
    """Return the texts of the tools' definitions and of the format that the answer must have."""
    texts = [Text(_json_of(tool), f"tools[{index}]") for index, tool in enumerate(request.tools or [])]
    if request.response_format is not None:
        texts.append(Text(_json_of(request.response_format), "response_format"))
    return texts


def _of_turn(turn: Turn) -> list[str]:
    calls = [
        f"{call.function.name}\n{_with_strings(call.function.arguments)}" for call in turn.tool_calls or ()
    ]
    return calls if turn.content is None else [turn.content, *calls]


def _json_of(part: BaseModel) -> str:
    return _with_strings(json.dumps(part.model_dump(mode="json", exclude_none=True), ensure_ascii=False))


def _with_strings(text: str) -> str:
    """Return JSON with the strings in it that are written otherwise than they are read.

    Chat templates parse it and write it anew, so an escape hides nothing from the model.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    # Looked up, not searched for: 600 kB of strings with an escape each would be minutes of searching.
    written = {literal[1:-1] for literal in _LITERAL.findall(text)}
    hidden = (string for string in _strings(value) if string not in written)
    return "\n".join([text, *hidden])


def _strings(value: object) -> Iterator[str]:
    # Not by recursion: what was read may be as deep as the reader allows.
    left: list[Any] = [value]
    while left:
        match left.pop():
            case str() as string:
                yield string
            case dict() as fields:
                left += [*fields.values(), *fields]
            case list() as items:
                left += items
