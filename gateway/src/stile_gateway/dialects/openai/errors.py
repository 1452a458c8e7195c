"""Errors in OpenAI's shape (https://platform.openai.com/docs/guides/error-codes)."""

from typing import Any

from pydantic import BaseModel

from stile_contracts.errors import ERRORS
from stile_contracts.messages import Stage
from stile_gateway.errors import GatewayError


class OpenAIErrorBody(BaseModel):
    """One error; the codes are those of ``POST /chat``."""

    message: str
    type: str
    param: str | None
    code: str | None
    stage: Stage | None = None
    """Stile's own, and left out if there is none: where a request was whose deadline passed."""


class OpenAIError(BaseModel):
    """The one shape of every error of these routes."""

    error: OpenAIErrorBody


def openai_error(error: GatewayError) -> dict[str, Any]:
    """Return ``error`` as OpenAI's clients read it."""
    body = OpenAIErrorBody(message=error.message, type=_type(error), param=error.param, code=error.code)
    stage = error.reply().error.stage
    if stage is not None:
        body.stage = stage
    return OpenAIError(error=body).model_dump(mode="json", exclude_unset=True)


def _type(error: GatewayError) -> str:
    status = ERRORS[error.code].status
    if status == 429:
        return "rate_limit_error"
    return "invalid_request_error" if status < 500 else "server_error"
