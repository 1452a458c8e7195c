"""Errors in Ollama's shape (https://docs.ollama.com/api/errors)."""

from pydantic import BaseModel

from stile_gateway.dialects.faults import context_of, is_too_long
from stile_gateway.errors import GatewayError


class OllamaError(BaseModel):
    """The one shape of every error of these addresses."""

    error: str


def ollama_error(error: GatewayError) -> dict[str, str]:
    """Return ``error`` as Ollama's clients read it.

    If a conversation is too long, the words are llama.cpp's, which Ollama passes on.
    """
    message = error.message
    if is_too_long(error):
        context = context_of(error)
        message = f"request exceeds the available context size: {message}"
        if context is not None:
            message = (
                f"request ({context[0]} tokens) exceeds the available context size ({context[1]} tokens)"
            )
    return {"error": message}
