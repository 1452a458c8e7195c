"""Every text of a request that the model will read, and its location."""

import json
import re
from functools import cached_property
from typing import NamedTuple

from pydantic import BaseModel

from stile_contracts.messages import ChatMessage, ChatRequest, Role

JOINED = "joined"
"""The location of all texts together."""

_BETWEEN_QUOTES = re.compile(r'(?:[^"\\]++|\\.)++', re.DOTALL)
"""What stands between two quotes of JSON, in a literal or outside of one: a text that is not JSON from its
beginning may have them the other way round."""

_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Text(NamedTuple):
    """One text, as it is to be scanned."""

    parts: tuple[str, ...]
    """What was written apart; the model may read it together."""
    location: str
    """``prompt``, ``messages[3]``, ``tools[0]``, ``response_format``,
    ``chat_template_kwargs`` or ``joined``."""
    is_instruction: bool = False
    """Whether it is a system message alone: instructions by its nature."""

    @property
    def whole(self) -> str:
        """Its parts, with a line break between."""
        return "\n".join(self.parts)

    @property
    def chars(self) -> int:
        """The length of ``whole``."""
        return sum(map(len, self.parts)) + len(self.parts) - 1


class RequestTexts:
    """The texts of one request, each made once, when it is first needed.

    Args:
        request: the request.
    """

    def __init__(self, request: ChatRequest) -> None:
        self._request = request

    @cached_property
    def output(self) -> list[Text]:
        """Those of the tools' definitions, and of the format that the answer must have."""
        tools = self._request.tools or ()
        texts = [Text(_json_of(tool), f"tools[{index}]") for index, tool in enumerate(tools)]
        if self._request.response_format is not None:
            texts.append(Text(_json_of(self._request.response_format), "response_format"))
        if self._request.chat_template_kwargs is not None:
            options = json.dumps(self._request.chat_template_kwargs, ensure_ascii=False)
            texts.append(Text(_as_read(options), "chat_template_kwargs"))
        return texts

    @cached_property
    def joined(self) -> Text:
        """Everything that the model will read as one text, in the conversation's order."""
        parts = [part for text in self._messages for part in text.parts]
        if self._request.prompt is not None and not self._request.repeats_prompt:
            parts.append(self._request.prompt)
        return Text((*parts, *(part for text in self.output for part in text.parts)), JOINED)

    @cached_property
    def distinct(self) -> list[Text]:
        """Each text once: the prompt first, the joined one last. If there is only one, it is that one."""
        texts = [*self._messages, *self.output, self.joined]
        if self._request.prompt is not None:
            # The prompt keeps its name if an older client sends it as the last message too.
            texts.insert(0, Text((self._request.prompt,), "prompt"))
        found: dict[tuple[str, ...], Text] = {}
        for text in texts:
            known = found.setdefault(text.parts, text)
            if known.is_instruction and not text.is_instruction and text is not self.joined:
                found[text.parts] = text
        return list(found.values())

    @cached_property
    def user_messages(self) -> list[Text]:
        """The user's messages as one text without the answers between, unless it is one of the others."""
        parts = [
            message.content
            for message in self._request.conversation()
            if message.role is Role.USER and message.content is not None
        ]
        text = Text(tuple(parts), JOINED)
        return [text] if len(parts) > 1 and all(text.parts != other.parts for other in self.distinct) else []

    @cached_property
    def without_instructions(self) -> Text | None:
        """What is joined, but for the system messages; None if there are none, or nothing else."""
        if not any(text.is_instruction for text in self._messages):
            return None
        texts = [text for text in self._messages if not text.is_instruction]
        parts = [part for text in (*texts, *self.output) for part in text.parts]
        if self._request.prompt is not None and not self._request.repeats_prompt:
            parts.append(self._request.prompt)
        return Text(tuple(parts), JOINED) if parts else None

    @cached_property
    def _messages(self) -> list[Text]:
        return [
            Text(parts, f"messages[{index}]", message.role is Role.SYSTEM)
            for index, message in enumerate(self._request.messages or [])
            for parts in _of_message(message)
        ]


def _of_message(message: ChatMessage) -> list[tuple[str, ...]]:
    calls = [(call.function.name, *_as_read(call.function.arguments)) for call in message.tool_calls or ()]
    if message.content is None:
        return calls
    # Some templates read what a tool returns as JSON and write it anew.
    return [_as_read(message.content) if message.role is Role.TOOL else (message.content,), *calls]


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
