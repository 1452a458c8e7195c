"""What is wrong with a request, as pydantic and FastAPI say it, in the gateway's errors."""

import re

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from stile_gateway.errors import InvalidHeaderError, InvalidRequestError

_ALTERNATIVE = re.compile(r"(?:constrained-)?str$|[A-Z]|\w+\[|[\w-]+\(")
"""What pydantic puts into a location to say which of several types it tried."""


def invalid_request(error: ValidationError) -> InvalidRequestError:
    """Translate what pydantic says of a body; the first fault is told, and nothing of the body."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return InvalidRequestError("The body is not valid JSON.", param="body")
    param = _param(first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    return InvalidRequestError(f"{param}: {reason}", param=param)


def invalid_input(error: RequestValidationError) -> InvalidHeaderError | InvalidRequestError:
    """Translate what FastAPI says of a header, a query or a path; only the first fault is named."""
    first = error.errors()[0]
    kind, name = first["loc"][0], str(first["loc"][1])
    if kind == "header":
        return InvalidHeaderError(f"{name}: {first['msg']}.", param=name)
    return InvalidRequestError(f"{name}: {first['msg']}.", param=name)


def _param(location: tuple[int | str, ...]) -> str:
    """Write pydantic's location as a client would: ``messages[3].content``."""
    steps = (step for step in location if isinstance(step, int) or not _ALTERNATIVE.match(step))
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return path.removeprefix(".") or "body"
