"""Bodies as JSON: the client's as it came, and the ``ChatRequest`` that is made of it."""

import json
from typing import Any

import pydantic_core

from stile_gateway.dialects.faults import check_json
from stile_gateway.errors import InvalidRequestError


def json_object(body: bytes) -> dict[str, Any]:
    """Parse a body.

    Raises:
        InvalidRequestError: it is no JSON object, or no JSON that every part of Stile reads.
    """
    check_json(body)
    fields = pydantic_core.from_json(body)
    if not isinstance(fields, dict):
        raise InvalidRequestError("The body is not a JSON object.", param="body")
    return fields


def chat_body(fields: dict[str, Any]) -> bytes:
    """Write a ``ChatRequest``, without what is None; the same one always as the same bytes.

    Raises:
        InvalidRequestError: a number in it is too large for a double.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        return json.dumps(given, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except ValueError:
        raise InvalidRequestError("A number in the body is too large.", param="body") from None


def items(value: Any) -> list[Any]:  # noqa: ANN401 -- whatever JSON came
    """Return a list as it is, and nothing of anything else."""
    return value if isinstance(value, list) else []
