"""Errors in Anthropic's shape (https://docs.claude.com/en/api/errors)."""

from typing import Literal

from pydantic import BaseModel
from structlog.contextvars import get_contextvars

from stile_contracts.errors import ErrorCode
from stile_gateway.dialects.faults import context_of, foreign_status, is_too_long
from stile_gateway.errors import GatewayError

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_OVERLOADED = frozenset({ErrorCode.QUEUE_FULL, ErrorCode.SHUTTING_DOWN})


class AnthropicErrorBody(BaseModel):
    """One error."""

    type: str
    message: str


class AnthropicError(BaseModel):
    """The one shape of every error of these routes."""

    type: Literal["error"] = "error"
    error: AnthropicErrorBody
    request_id: str | None = None


def anthropic_error(error: GatewayError) -> bytes:
    """Write ``error`` as Anthropic's clients read it."""
    body = AnthropicErrorBody(type=_type(error), message=_message(error))
    return AnthropicError(error=body, request_id=request_id()).model_dump_json().encode()


def _message(error: GatewayError) -> str:
    """Return what is wrong; of too long a conversation, in the words that clients look for."""
    if not is_too_long(error):
        return error.message
    if (context := context_of(error)) is None:
        return f"prompt is too long: {error.message}"
    return f"prompt is too long: {context[0]} tokens > {context[1]} maximum"


def request_id() -> str | None:
    """Return the id of the HTTP request that is answered now."""
    found = get_contextvars().get("request_id")
    return found if isinstance(found, str) else None


def _type(error: GatewayError) -> str:
    code = foreign_status(error)
    if code == 503 and error.code not in _OVERLOADED:
        return "api_error"
    return _TYPES.get(code, "invalid_request_error" if code < 500 else "api_error")
