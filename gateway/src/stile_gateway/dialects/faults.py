"""What is wrong with a request, as pydantic and FastAPI say it, in the gateway's errors."""

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from stile_contracts import params
from stile_gateway.errors import InvalidHeaderError, InvalidRequestError


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
