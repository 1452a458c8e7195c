"""Asking the gateway over HTTP, as any client would."""

from typing import Any

import httpx
from pydantic import SecretStr

from stile.errors import RequestError

_TIMEOUT_SECONDS = 900.0
"""Longer than the gateway waits: the gateway says what went wrong."""


def ask(base: str, request: dict[str, Any], key: SecretStr | None) -> dict[str, Any]:
    """Send a request to the gateway at ``base``, and return the whole reply.

    Args:
        base: its address.
        request: the body.
        key: an API key, if the gateway asks for one.

    Raises:
        RequestError: nothing answers there, or the answer is an error.
    """
    headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
    try:
        response = httpx.post(f"{base}/chat", json=request, headers=headers, timeout=_TIMEOUT_SECONDS)
        body: dict[str, Any] = response.json()
    except httpx.TransportError as error:
        raise RequestError(f"nobody answers on {base}: `stile up` starts everything ({error})") from error
    except ValueError as error:
        raise RequestError(f"{base} is no gateway of Stile: it answered {response.status_code}") from error
    if not response.is_success or "response" not in body:
        raise RequestError(f"no answer (HTTP {response.status_code}): {_reason(body)}")
    return body


def _reason(body: object) -> str:
    match body:
        case {"error": {"code": code, "message": message}}:
            return f"{code}: {message}"
    return str(body)
