"""Where a request holds a marker."""

from collections.abc import Iterator
from typing import NamedTuple

from stile_contracts.messages import ChatRequest, NamedTool, Role
from stile_filter import texts
from stile_filter.control_tokens.escapes import decoded
from stile_filter.control_tokens.markers import has_marker


class _Part(NamedTuple):
    """One text that the model reads."""

    text: str
    place: str


def find(request: ChatRequest, joined: str) -> str | None:
    """Return the place of the first marker that the model would read; None if there is none.

    Args:
        request: what a client asks.
        joined: the place of a marker that two texts make together.
    """
    parts = list(_parts(request))
    # Templates put structure between two texts. One that puts nothing between joins them as this does.
    if not has_marker("".join(part.text for part in parts)):
        return None
    return next((part.place for part in parts if has_marker(part.text)), joined)


def _parts(request: ChatRequest) -> Iterator[_Part]:
    """Yield the texts in the conversation's order, and then what escapes in them stand for."""
    turns = request.turns()
    escaped: list[_Part] = []
    for index, turn in enumerate(turns):
        last = index == len(turns) - 1
        place = "prompt" if last and request.prompt is not None else f"messages[{index}]"
        if turn.content is not None:
            yield _Part(turn.content, place)
            if turn.role is Role.TOOL:
                escaped.append(_Part(turn.content, place))
        for call in turn.tool_calls or ():
            yield _Part(call.function.name, place)
            arguments = _Part(call.function.arguments, place)
            yield arguments
            escaped.append(arguments)
    yield from (_Part(text.whole, text.place) for text in texts.of_output(request))
    if isinstance(request.tool_choice, NamedTool):
        yield _Part(request.tool_choice.function.name, "tool_choice")
    yield from (_Part(decoded(text), place) for text, place in escaped if "\\" in text)
