"""What is wrong with a request, by the path that a client knows."""

from pydantic import ValidationError

from stile_contracts import params
from stile_gateway.errors import InvalidRequestError

_TAGGED = frozenset({"messages", "tool_choice"})
"""The fields that hold one of several shapes; pydantic puts the shape's tag into the path."""
_TAGS = frozenset(
    {"user", "assistant", "text", "thinking", "redacted_thinking", "tool_use", "tool_result"}
    | {"auto", "any", "none", "tool"}
)
_UNKNOWN_TAG = "union_tag_invalid"


def invalid_request(error: ValidationError) -> InvalidRequestError:
    """Translate what pydantic says of a body: the fault that lies deepest, and nothing of the body."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    fault = max(faults, key=lambda one: len(one["loc"]))
    param = params.param(_path(fault["loc"]))
    # Pydantic's own words quote the tag.
    reason = "There is no such type." if fault["type"] == _UNKNOWN_TAG else fault["msg"]
    return InvalidRequestError(f"{param}: {reason.removeprefix('Value error, ')}", param=param)


def _path(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    if not location or location[0] not in _TAGGED:
        return location
    pairs = zip(("", *location), location, strict=False)
    return tuple(
        step
        for before, step in pairs
        if step not in _TAGS or not (isinstance(before, int) or before == "tool_choice")
    )
