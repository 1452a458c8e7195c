"""Breaks the markers in an approval, so that the model reads them as plain text."""

from typing import Any

from pydantic import BaseModel

from stile_contracts.messages import ApprovedChat
from stile_filter.guard.control_tokens.escapes import decoded, ends
from stile_filter.guard.control_tokens.markers import starts

BREAK = "\u200b"
"""ZERO WIDTH SPACE: no tokenizer joins over it (docs/adr/0016)."""

_MAX_NAME_CHARS = 200
"""Of a function's name; a break makes it longer."""


def neutralised(chat: ApprovedChat) -> ApprovedChat:
    """Return ``chat`` with every marker broken, in names and schemas too.

    ``stop`` stays as it is: the model does not read it.
    """
    return chat.model_copy(
        update={"messages": [broken(turn) for turn in chat.messages], "output": broken(chat.output)}
    )


def broken(value: object) -> Any:  # noqa: ANN401 -- of the same type
    """Return ``value`` with every marker in its texts broken."""
    match value:
        case BaseModel():
            fields = {name: broken(field) for name, field in value if field is not None}
            if "name" in fields:
                fields["name"] = fields["name"][:_MAX_NAME_CHARS]
            return value.model_copy(update=fields)
        case dict():
            return {broken(key): broken(field) for key, field in value.items()}
        case list():
            return [broken(item) for item in value]
        # Not the enumerations, which are strings too.
        case str() if type(value) is str:
            return _broken_text(value)
    return value


def _broken_text(text: str) -> str:
    """Put a ``BREAK`` behind the first character of each marker."""
    text = _with_breaks(text, [start + 1 for start in starts(text)])
    if "\\" in text and (hidden := starts(decoded(text))):
        behind = ends(text)
        text = _with_breaks(text, [behind[start] for start in hidden])
    return text


def _with_breaks(text: str, at: list[int]) -> str:
    return BREAK.join(text[start:end] for start, end in zip([0, *at], [*at, len(text)], strict=True))
