"""Asking the gateway over HTTP, as any client would."""

from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

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
        with httpx.Client(trust_env=not _is_here(base), timeout=_TIMEOUT_SECONDS) as client:
            response = client.post(f"{base}/chat", json=request, headers=headers)
        body: dict[str, Any] = response.json()
    except ImportError as error:  # httpx raises it for a SOCKS proxy
        raise RequestError(f"{base} cannot be asked through the proxy of ALL_PROXY: {error}") from error
    except httpx.InvalidURL as error:
        raise RequestError(f"{base} is not the address of a gateway: {error}") from error
    except httpx.TransportError as error:
        raise RequestError(f"nobody answers on {base}: `stile up` starts everything ({error})") from error
    except ValueError as error:
        raise RequestError(f"{base} is no gateway of Stile: it answered {response.status_code}") from error
    if not response.is_success or "response" not in body:
        raise RequestError(f"no answer (HTTP {response.status_code}): {_reason(body)}")
    return body


def _is_here(base: str) -> bool:
    """Return whether an address is this machine's: requests to it use no proxy (HTTP_PROXY, ALL_PROXY)."""
    host = urlsplit(base).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _reason(body: object) -> str:
    match body:
        case {"error": {"code": code, "message": message}}:
            return f"{code}: {message}"
    return str(body)
