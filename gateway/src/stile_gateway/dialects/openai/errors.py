"""Errors in OpenAI's shape (https://platform.openai.com/docs/guides/error-codes)."""

from typing import Any

from pydantic import BaseModel

from stile_contracts.errors import ERRORS, ErrorCode
from stile_contracts.messages import Stage
from stile_gateway.dialects.faults import is_too_long
from stile_gateway.errors import GatewayError


class OpenAIErrorBody(BaseModel):
    """One error; the codes are those of ``POST /chat``."""

    message: str
    type: str
    param: str | None
    code: str | None
    stage: Stage | None = None
    """Stile's own, and left out if there is none: where a request was whose deadline passed."""
    n_ctx: int | None = None
    """llama.cpp's, and left out if there is none: how many tokens the model can read and write."""
    n_prompt_tokens: int | None = None
    """llama.cpp's, and left out if there is none: how many tokens the conversation has."""


class OpenAIError(BaseModel):
    """The one shape of every error of these routes."""

    error: OpenAIErrorBody


def openai_error(error: GatewayError) -> dict[str, Any]:
    """Return ``error`` as OpenAI's clients read it."""
    told = error.reply().error
    body = OpenAIErrorBody(message=error.message, type=_type(error), param=error.param, code=error.code)
    if is_too_long(error) and error.code is not ErrorCode.CONTEXT_LENGTH_EXCEEDED:
        body.code = ErrorCode.CONTEXT_LENGTH_EXCEEDED
        # Clients look for these words; the worker's own error has them.
        body.message = f"This model's maximum context length is exceeded: {error.message}"
    for name in ("stage", "n_ctx", "n_prompt_tokens"):
        if (value := getattr(told, name)) is not None:
            setattr(body, name, value)
    return OpenAIError(error=body).model_dump(mode="json", exclude_unset=True)


def _type(error: GatewayError) -> str:
    status = ERRORS[error.code].status
    if status == 429:
        return "rate_limit_error"
    return "invalid_request_error" if status < 500 else "server_error"
