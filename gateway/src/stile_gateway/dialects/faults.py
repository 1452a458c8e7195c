"""What is wrong with a request, as pydantic and FastAPI say it, in the gateway's errors."""

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from stile_contracts import params, strict_json
from stile_contracts.errors import ErrorCode
from stile_gateway.errors import (
    GatewayError,
    InvalidHeaderError,
    InvalidRequestError,
    TooLongError,
    status_of,
)


def check_json(body: bytes) -> None:
    """Check that every part of Stile reads a body in the same way.

    Raises:
        InvalidRequestError: it is no JSON, too deep, or has a number that not every reader reads.
    """
    try:
        strict_json.check_body(body)
    except ValueError as error:
        reason = str(error)
        text = f"The body is {reason}." if reason == strict_json.NOT_JSON else f"The body: {reason}."
        raise InvalidRequestError(text, param=params.BODY) from None


def is_too_long(error: GatewayError) -> bool:
    """Tell whether the conversation is longer than the model, the policy or this gateway takes."""
    if isinstance(error, TooLongError) or error.code is ErrorCode.CONTEXT_LENGTH_EXCEEDED:
        return True
    is_text = (error.param or "").startswith(("messages", "prompt"))
    return error.code is ErrorCode.TOO_LARGE and is_text


def foreign_status(error: GatewayError) -> int:
    """Return the HTTP status in the APIs of other programs: what is wrong with a request is a 400."""
    status = status_of(error)
    return 400 if status == 422 or is_too_long(error) else status


def context_of(error: GatewayError) -> tuple[int, int] | None:
    """Return how many tokens a conversation that is too long has, and how many fit the model."""
    told = error.reply().error
    if told.n_prompt_tokens is None or told.n_ctx is None:
        return None
    return told.n_prompt_tokens, told.n_ctx


def invalid_request(error: ValidationError) -> InvalidRequestError:
    """Translate what pydantic says of a body; the first fault is told, and nothing of the body."""
    fault = params.body_fault(error)
    if not fault.is_json:
        return InvalidRequestError("The body is not valid JSON.", param=fault.param)
    return InvalidRequestError(f"{fault.param}: {fault.reason}", param=fault.param)


def invalid_input(error: RequestValidationError) -> InvalidHeaderError | InvalidRequestError:
    """Translate what FastAPI says of a header, a query or a path; only the first fault is named."""
    first = error.errors()[0]
    kind, name = first["loc"][0], str(first["loc"][1])
    if kind == "header":
        return InvalidHeaderError(f"{name}: {first['msg']}.", param=name)
    return InvalidRequestError(f"{name}: {first['msg']}.", param=name)
