"""A request as the model reads it if the policy removes invisible characters."""

import json
import re
from typing import Any

from pydantic import BaseModel

from stile_contracts import strict_json
from stile_contracts.messages import ChatMessage, ChatRequest, FunctionCall, Role
from stile_filter.guard.hidden.characters import without_invisible

_READ = ("prompt", "messages", "tools", "tool_choice", "response_format", "chat_template_kwargs")
"""The fields that the model reads."""
_NOT_READ = {"id", "tool_call_id"}
"""Of a message and its calls: they say which answer belongs to which call."""
_EXACT = "pattern"
"""Of a JSON Schema: a regular expression means each character that is in it."""

_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)


class EqualNamesError(ValueError):
    """Two names in an object differ in nothing that can be seen."""


def cleaned(request: ChatRequest) -> ChatRequest:
    """Return the request without invisible characters that mean nothing; the same object if it has none.

    ``stop`` stays as it is: the model does not read it.

    Raises:
        EqualNamesError: an object would have the same key twice.
    """
    fields = {name: getattr(request, name) for name in _READ}
    return request.model_copy(update=changed) if (changed := _changed(fields)) else request


def _changed(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that cleaning changes."""
    clean = {name: _clean(field) for name, field in fields.items() if name not in _NOT_READ}
    return {name: field for name, field in clean.items() if field is not fields[name]}


def _clean(value: object) -> Any:  # noqa: ANN401 -- of the same type
    match value:
        case BaseModel():
            changed = _changed(dict(value))
            if isinstance(value, FunctionCall):
                changed |= _cleaned_json("arguments", value.arguments)
            elif isinstance(value, ChatMessage) and value.role is Role.TOOL and value.content is not None:
                changed |= _cleaned_json("content", value.content)
            if changed.get("name") == "":
                del changed["name"]  # a function has a name
            return value.model_copy(update=changed) if changed else value
        case dict():
            return _clean_object(value)
        case list():
            items = [_clean(item) for item in value]
            is_same = all(item is before for item, before in zip(items, value, strict=True))
            return value if is_same else items
        # Not the enumerations, which are strings too.
        case str() if type(value) is str:
            return without_invisible(value)
    return value


def _clean_object(value: dict[str, Any]) -> dict[str, Any]:
    clean = {
        without_invisible(key): field if key == _EXACT and isinstance(field, str) else _clean(field)
        for key, field in value.items()
    }
    if len(clean) < len(value):
        raise EqualNamesError
    is_same = all(
        key is before and field is value[before]
        for (key, field), before in zip(clean.items(), value, strict=True)
    )
    return value if is_same else clean


def _cleaned_json(name: str, text: str) -> dict[str, str]:
    """Return the field ``name`` if it changes.

    In JSON an escape is what it stands for: some templates read it and write it anew.
    """
    clean = without_invisible(text)
    if "\\u" in clean and _is_json(clean):
        clean = _LITERAL.sub(_clean_literal, clean)
    if clean is text or clean == text:
        return {}
    if name == "arguments":
        try:
            strict_json.read_object(clean)
        except ValueError:
            raise EqualNamesError from None
    return {name: clean}


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _clean_literal(literal: re.Match[str]) -> str:
    if "\\u" not in literal[0]:
        return literal[0]
    read = json.loads(literal[0])
    clean = without_invisible(read)
    if clean is read:
        return literal[0]
    written = json.dumps(clean, ensure_ascii=False)
    # Half of a pair of surrogates can't be written otherwise.
    return written if written.isascii() or _is_unicode(written) else literal[0]


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
