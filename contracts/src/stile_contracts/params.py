"""How a client reads which field of its request is at fault: the ``param`` of an error, at every door."""

import re
from typing import NamedTuple

from pydantic import ValidationError

BODY = "body"
"""The fault is none of one field's."""

_ALTERNATIVE = re.compile(r"(?:constrained-)?str$|[A-Z]|\w+\[|[\w-]+\(")
"""What pydantic puts into a location to say which of several types it tried."""


class BodyFault(NamedTuple):
    """The first thing that is wrong with a body."""

    param: str
    """The field, ``messages[3].content``; ``body`` if it is no single field."""
    reason: str
    """One sentence, with nothing of the body in it."""
    is_json: bool
    """Whether the body could be read as JSON at all."""


def body_fault(error: ValidationError) -> BodyFault:
    """Read the first fault of a body."""
    # Without the input: an error's text goes to logs and requesters, a prompt does not.
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    reason = first["msg"].removeprefix("Value error, ")
    return BodyFault(param(first["loc"]), reason, first["type"] != "json_invalid")


def param(location: tuple[int | str, ...]) -> str:
    """Write pydantic's location as a client would: ``messages[3].content``."""
    steps = (step for step in location if isinstance(step, int) or not _ALTERNATIVE.match(step))
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return path.removeprefix(".") or BODY
