"""Bodies as JSON: the client's as it came, and the ``ChatRequest`` that is made of it."""

import json
from typing import Annotated, Any, TypeVar

import pydantic_core
from pydantic import AfterValidator, BaseModel, ValidationError

from stile_contracts import strict_json
from stile_contracts.messages import Message
from stile_gateway.dialects.faults import check_json, invalid_request
from stile_gateway.errors import InvalidRequestError

MAX_TOKENS = 1_000_000
"""More than any answer has. Ollama's and Anthropic's clients may send any number as its limit."""

_T = TypeVar("_T", bound=BaseModel)


class Part(Message):
    """A part of a client's body. It is read as strictly as a message on the bus."""


def _as_the_worker_reads(arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        return strict_json.read_object(strict_json.canonical(arguments))
    except ValueError:
        # The parser's message may quote the text.
        raise ValueError("must be a JSON object that is at most 64 levels deep") from None


ToolArguments = Annotated[dict[str, Any], AfterValidator(_as_the_worker_reads)]
"""The arguments of a call in an API that has them as an object."""


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


def validated(model: type[_T], fields: dict[str, Any]) -> _T:
    """Read a body as ``model``.

    Raises:
        InvalidRequestError: it is none; ``param`` is the field at fault.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise invalid_request(error) from None


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


def tool_call(call_id: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a call of a tool as a ``ChatMessage`` has it."""
    function = {"name": name, "arguments": strict_json.canonical(arguments)}
    return {"id": call_id, "type": "function", "function": function}


def items(value: Any) -> list[Any]:  # noqa: ANN401 -- whatever JSON came
    """Return a list as it is, and nothing of anything else."""
    return value if isinstance(value, list) else []


def kind(value: Any) -> str | None:  # noqa: ANN401 -- whatever JSON came
    """Return the ``type`` of an object; None if it has none."""
    found = value.get("type") if isinstance(value, dict) else None
    return found if isinstance(found, str) else None
