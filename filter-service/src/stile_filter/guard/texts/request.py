"""Every text of a request that the model will read, and its location."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

from pydantic import BaseModel

from stile_contracts.messages import ChatMessage, ChatRequest, Role
from stile_filter.guard.control_tokens import broken
from stile_filter.guard.hidden.cleaning import cleaned
from stile_filter.guard.texts.edges import beginning, end

JOINED = "joined"
"""The location of what lies across several texts."""

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
    role: str = ""
    """Of the message; empty for other texts. A seam has ``system`` if a system message is a part of it."""
    follows_own: bool = False
    """Of a seam: whether its beginning is the end of an answer that the client has received. Only hits across
    it count, so no scanner reads it."""

    @property
    def is_instruction(self) -> bool:
        """Whether a system message is all of it, or a part: instructions by its nature."""
        return self.role == Role.SYSTEM

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
        own: the answers in it that the client has received from Stile.
        trims: whether the model may get the conversation without its oldest exchanges.
        cleans: whether the model reads it without the invisible characters that mean nothing.

    Raises:
        EqualNamesError: without them, an object would have the same key twice.
    """

    def __init__(
        self,
        request: ChatRequest,
        own: frozenset[Text] = frozenset(),
        *,
        trims: bool = False,
        cleans: bool = False,
    ) -> None:
        self.request = cleaned(request) if cleans else request
        """As the model reads it."""
        self._written = RequestTexts(request) if self.request is not request else None
        self._own = own
        self._trims = trims

    def without(self, own: frozenset[Text]) -> "RequestTexts":
        """Return the same texts, but leave out the ``answers`` that need no check.

        Markers of the conversation's structure are broken in each message of which no text is left.

        Args:
            own: the answers to leave out, as the client sent them.
        """
        written = self.answers
        of_messages: dict[str, list[bool]] = {}
        for before, text in zip(written, self._answers, strict=True):
            of_messages.setdefault(text.location, []).append(before in own)
        messages = [
            broken(message) if (found := of_messages.get(f"messages[{index}]")) and all(found) else message
            for index, message in enumerate(self.request.messages or ())
        ]
        plain = RequestTexts(self.request.model_copy(update={"messages": messages}), trims=self._trims)
        kept = [new for before, new in zip(written, plain.answers, strict=True) if before in own]
        made = RequestTexts(plain.request, frozenset(kept), trims=self._trims)
        if self._written:
            made._written = RequestTexts(self._written.request, own)
        return made

    @property
    def answers(self) -> list[Text]:
        """Those of the assistant's messages, as the client sent them."""
        return (self._written or self)._answers  # noqa: SLF001 -- of the same class

    @property
    def _answers(self) -> list[Text]:
        return [text for text in self._messages if text.role == Role.ASSISTANT]

    @property
    def model(self) -> str | None:
        """The model that the request names."""
        return self.request.model

    @cached_property
    def output(self) -> list[Text]:
        """Those of the tools' definitions, and of the format that the answer must have."""
        tools = self.request.tools or ()
        texts = [Text(_json_of(tool), f"tools[{index}]") for index, tool in enumerate(tools)]
        if self.request.response_format is not None:
            texts.append(Text(_json_of(self.request.response_format), "response_format"))
        if self.request.chat_template_kwargs is not None:
            options = json.dumps(self.request.chat_template_kwargs, ensure_ascii=False)
            texts.append(Text(_as_read(options), "chat_template_kwargs"))
        return texts

    @cached_property
    def joined(self) -> Text:
        """Everything that the model will read as one text, in the conversation's order."""
        return Text(tuple(part for text in self._in_order for part in text.parts), JOINED)

    @cached_property
    def apart(self) -> list[Text]:
        """Each text once, the prompt first; a text that was cleaned also as the client wrote it."""
        found: dict[tuple[str, tuple[str, ...]], Text] = {}
        # The prompt keeps its name if an older client sends it as the last message too.
        for text in (*self._prompt, *self._messages, *self.output):
            found.setdefault((text.role, text.parts), text)
        # What was hidden is refused, although the model would not read it.
        for text in self._written.apart if self._written else ():
            found.setdefault((text.role, text.parts), text)
        return [text for text in found.values() if not self._is_own(text)]

    @cached_property
    def seams(self) -> list[Text]:
        """What lies across two texts or more: before the beginning of each, the end of all before it.

        Once in the conversation's order, once without its system messages, and once of the user's messages
        without the answers between. Each of these depends on nothing behind it, so the next turn of a
        conversation has the same ones, and a few more.

        If the oldest exchanges may be left out, each message of the user may follow the system messages, too.

        An answer that the client has received from Stile is in none of them, because the client did not
        choose its beginning. What the client sent next may complete its end, so there is a seam of the two.
        """
        checked = [text for text in self._in_order if not self._is_own(text)]
        others = [text for text in checked if not text.is_instruction]
        users = [text for text in others if text.role == Role.USER]
        found: dict[tuple[str, ...], Text] = {}
        after_trimming = _seams_after(self._instructions, others) if self._trims else ()
        own = self._behind_own()
        for text in (*_seams(checked), *_seams(others), *_seams(users), *after_trimming, *own):
            found.setdefault(text.parts, text)
        return list(found.values())

    @property
    def _instructions(self) -> tuple[str, ...]:
        return tuple(part for text in self._in_order if text.is_instruction for part in text.parts)

    def _behind_own(self) -> Iterator[Text]:
        others = [text for text in self._in_order if not text.is_instruction]
        before = ""
        for is_own, texts in groupby(others, self._is_own):
            parts = [part for text in texts for part in text.parts]
            if is_own:
                before = "\n".join(end(parts))  # one part: what lies across two answers is not looked for
            elif before:
                yield Text((before, *beginning(parts)), JOINED, follows_own=True)

    def _is_own(self, text: Text) -> bool:
        return text.role == Role.ASSISTANT and text.parts in self._own_parts

    @cached_property
    def _own_parts(self) -> frozenset[tuple[str, ...]]:
        return frozenset(text.parts for text in self._own)

    @cached_property
    def _in_order(self) -> list[Text]:
        prompt = () if self.request.repeats_prompt else self._prompt
        return [*self._messages, *prompt, *self.output]

    @cached_property
    def _prompt(self) -> tuple[Text, ...]:
        prompt = self.request.prompt
        return () if prompt is None else (Text((prompt,), "prompt", Role.USER),)

    @cached_property
    def _messages(self) -> list[Text]:
        return [
            Text(parts, f"messages[{index}]", message.role)
            for index, message in enumerate(self.request.messages or [])
            for parts in _of_message(message)
        ]


def _seams(texts: Iterable[Text]) -> Iterator[Text]:
    before: tuple[str, ...] = ()
    last = Text((), JOINED)
    role = ""
    for text in texts:
        if text.is_instruction:
            role = text.role
        if before:
            seam = Text((*before, *beginning(text.parts)), JOINED, role)
            if seam.parts[: len(last.parts)] != last.parts:
                yield last  # the next one does not hold all of it
            last = seam
        before = end((*before, *text.parts))
    if last.parts:
        yield last


def _seams_after(instructions: Sequence[str], others: Sequence[Text]) -> Iterator[Text]:
    """Yield what lies across the system messages and what follows them if older messages are left out."""
    if not instructions:
        return
    before = end(instructions)
    for index, text in enumerate(others):
        if text.role == Role.USER:
            following = (part for other in others[index:] for part in other.parts)
            yield Text((*before, *beginning(following)), JOINED, Role.SYSTEM)


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
