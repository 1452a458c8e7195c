"""Every text of a request that the model will read, and its place."""

import json
import re
from typing import NamedTuple

from pydantic import BaseModel

from stile_contracts.messages import ChatMessage, ChatRequest, Role

JOINED = "joined"
"""The place of all texts together."""

_BETWEEN_QUOTES = re.compile(r'(?:[^"\\]++|\\.)++', re.DOTALL)
"""What stands between two quotes of JSON, in a literal or outside of one: a text that is not JSON from its
beginning may have them the other way round."""

_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Text(NamedTuple):
    """One text, as it is to be scanned."""

    parts: tuple[str, ...]
    """What was written apart; the model may read it together."""
    place: str
    """``prompt``, ``messages[3]``, ``tools[0]``, ``response_format``, ``joined``."""

    @property
    def whole(self) -> str:
        """Its parts, with a line break between."""
        return "\n".join(self.parts)


def of(request: ChatRequest) -> list[Text]:
    """Return all texts, the prompt first; the same one may stand in several places."""
    texts = [
        Text(parts, f"messages[{index}]")
        for index, message in enumerate(request.messages or [])
        for parts in _of_turn(message)
    ]
    if request.prompt is not None:
        # The prompt keeps its name where an older client sends it as the last message too.
        texts.insert(0, Text((request.prompt,), "prompt"))
    return [*texts, *of_output(request)]


def joined(request: ChatRequest) -> Text:
    """Return everything that the model will read as one text, in the conversation's order."""
    conversation = [part for turn in request.conversation() for parts in _of_turn(turn) for part in parts]
    output = [part for text in of_output(request) for part in text.parts]
    return Text((*conversation, *output), JOINED)


def of_output(request: ChatRequest) -> list[Text]:
    """Return the texts of the tools' definitions and of the format that the answer must have."""
    texts = [Text(_json_of(tool), f"tools[{index}]") for index, tool in enumerate(request.tools or [])]
    if request.response_format is not None:
        texts.append(Text(_json_of(request.response_format), "response_format"))
    return texts


def _of_turn(turn: ChatMessage) -> list[tuple[str, ...]]:
    calls = [(call.function.name, *_as_read(call.function.arguments)) for call in turn.tool_calls or ()]
    if turn.content is None:
        return calls
    # Some templates read what a tool returns as JSON and write it anew.
    return [_as_read(turn.content) if turn.role is Role.TOOL else (turn.content,), *calls]


def _json_of(part: BaseModel) -> tuple[str, ...]:
    return _as_read(json.dumps(part.model_dump(mode="json", exclude_none=True), ensure_ascii=False))


def _as_read(text: str) -> tuple[str, ...]:
    """Return JSON with the strings in it that are written otherwise than they are read.

    Chat templates parse it and write it anew, so an escape hides nothing from the model. Each string is read
    by itself, whatever stands around it: a reader that is less strict than another finds nothing more.
    """
    if "\\" not in text:
        return (text,)
    pieces = (piece for piece in _BETWEEN_QUOTES.findall(text) if "\\" in piece)
    return (text, *dict.fromkeys(_unescaped(piece) for piece in pieces))


def _unescaped(piece: str) -> str:
    read = _ESCAPE.sub(
        lambda found: chr(int(found[1], 16)) if found[1] else _ESCAPED.get(found[2], found[2]), piece
    )
    # Two escapes may be the halves of one character; a half alone is none.
    return read.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
