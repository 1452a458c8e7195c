"""`stile chat`: asks one question over HTTP, as any client would."""

from typing import Annotated, Any

import httpx
import typer
from pydantic import SecretStr

from stile.errors import RequestError
from stile.settings import Settings
from stile.terminal import Terminal

_TIMEOUT_SECONDS = 900.0
"""Longer than the gateway waits: it is the gateway that says what went wrong."""


def chat(
    prompt: Annotated[str, typer.Argument(help="What to ask.")],
    url: Annotated[str | None, typer.Option(help="The gateway; default: the one of STILE_PORT.")] = None,
) -> None:
    """Ask one question and print the answer."""
    settings = Settings.load()
    typer.echo(ask(url or settings.url, {"prompt": prompt}, settings.api_key)["response"])


def ask(base: str, request: dict[str, Any], key: SecretStr | None) -> dict[str, Any]:
    """Send a request to the gateway at ``base``, and return the whole reply.

    Args:
        base: its address.
        request: the body.
        key: an API key, where the gateway wants one.

    Raises:
        RequestError: nobody answers there, or the answer is an error.
    """
    headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
    try:
        with Terminal(stderr=True).waiting("Waiting for the answer …"):
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
