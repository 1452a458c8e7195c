"""Asking the gateway over HTTP, as any client would."""

import contextlib
import json
import os
from collections.abc import Generator, Iterator
from http.client import HTTPResponse, InvalidURL
from typing import Any
from urllib.request import Request

from stile.chat import events
from stile.chat.events import Done, Event, Queued
from stile.errors import RequestError
from stile.services import http
from stile.settings import Settings
from stile_runtime.names import KEY_PREFIX
from stile_runtime.variables import variable

_SILENT_SECONDS = 60.0
"""The gateway writes something every ten seconds."""
_CANCEL_SECONDS = 2.0


class Gateway:
    """The gateway at ``base``.

    Args:
        base: its address, with or without ``/v1``.
        key: an API key, if the gateway asks for one.
    """

    def __init__(self, base: str, key: str | None = None) -> None:
        self._base = base.rstrip("/")
        self._key = key

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return the whole reply.

        Raises:
            RequestError: nothing answers there, or the answer is an error.
        """
        for event in self.stream(request):
            if isinstance(event, Done):
                return event.reply
        raise RequestError(f"{self._base} ended its answer before it was whole")

    def stream(self, request: dict[str, Any]) -> Generator[Event]:
        """Send a request and yield what is heard of it; ``Done`` is the last.

        If the iterator is closed before that, the request is cancelled.

        Raises:
            RequestError: nothing answers there, or the answer is an error.
        """
        chat_id: str | None = None
        is_done = False
        response = self._send("POST", "/chat", request)
        try:
            for event in self._events(response):
                chat_id = event.id if isinstance(event, Queued) else chat_id
                is_done = isinstance(event, Done)
                yield event
                if is_done:
                    return
        finally:
            # Closing is enough for a gateway; one behind a proxy may not notice.
            response.close()
            if chat_id and not is_done:
                with contextlib.suppress(RequestError):
                    self._send("DELETE", f"/chat/{chat_id}", seconds=_CANCEL_SECONDS).close()

    def models(self) -> list[str]:
        """Return the names of the models that it has.

        Raises:
            RequestError: nothing answers there, or the answer is an error.
        """
        path = "/models" if self._base.endswith("/v1") else "/v1/models"
        with self._send("GET", path) as response:
            body = _json(response)
        if response.status != 200 or not isinstance(body, dict):
            raise self._error(response, body)
        return [str(model.get("id")) for model in body.get("data", [])]

    def _events(self, response: HTTPResponse) -> Iterator[Event]:
        if not (response.headers.get("Content-Type") or "").startswith("text/event-stream"):
            raise self._error(response, _json(response))
        name, data = "", ""
        try:
            for line in response:
                field, _, value = line.decode(errors="replace").rstrip("\r\n").partition(":")
                value = value.removeprefix(" ")
                if field == "event":
                    name = value
                elif field == "data":
                    data = value
                elif not field and not value and name:
                    if event := events.read(name, json.loads(data)):
                        yield event
                    name, data = "", ""
        except http.Faults as error:
            raise RequestError(f"the connection to {self._base} was lost ({error or 'closed'})") from error
        except json.JSONDecodeError as error:
            raise RequestError(f"{self._base} is no gateway of Stile: an event is no JSON") from error
        raise RequestError(f"the connection to {self._base} was lost before the answer was whole")

    def _send(
        self, method: str, path: str, body: dict[str, Any] | None = None, seconds: float = _SILENT_SECONDS
    ) -> HTTPResponse:
        headers = {"Accept": "text/event-stream" if body else "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self._key is not None:
            if not (self._key.isascii() and self._key.isprintable()):
                raise RequestError("STILE_API_KEY: a key has only visible ASCII characters")
            headers["Authorization"] = f"Bearer {self._key}"
        data = None if body is None else json.dumps(body).encode()
        base = self._base
        try:
            request = Request(base + path, data, headers, method=method)  # noqa: S310 -- http.send checks it
            return http.send(request, seconds=seconds)
        except http.ProxyError as error:
            raise RequestError(f"{base} cannot be asked through the proxy of ALL_PROXY: {error}") from error
        except (ValueError, InvalidURL) as error:
            raise RequestError(f"{base} is not the address of a gateway: {error}") from error
        except http.Faults as error:
            why = getattr(error, "reason", None) or error
            raise RequestError(f"nobody answers on {base}: `stile up` starts everything ({why})") from error

    def _error(self, response: HTTPResponse, body: object) -> RequestError:
        if response.status == 401:
            if self._key is None:
                return RequestError(f"{self._base} asks for an API key: put yours into STILE_API_KEY")
            return RequestError(f"{self._base} does not know this API key: is STILE_API_KEY right?")
        if body is None:
            return RequestError(f"{self._base} is no gateway of Stile: it answered {response.status}")
        return RequestError(f"no answer (HTTP {response.status}): {events.reason(body)}")


def find(settings: Settings, url: str | None = None) -> Gateway:
    """Return the gateway that a command asks.

    Its address is ``url``; else that of ``STILE_HOST`` and ``STILE_PORT`` if one of them is set; else
    ``OPENAI_BASE_URL``; else this machine's. ``OPENAI_API_KEY`` stands in for ``STILE_API_KEY``, but a
    key that is not Stile's is sent only to the address of ``OPENAI_BASE_URL``.
    """
    is_set = any(os.environ.get(variable(name)) for name in ("host", "port"))
    openai = None if url or is_set else os.environ.get("OPENAI_BASE_URL")
    key = settings.api_key.get_secret_value() if settings.api_key else None
    other = os.environ.get("OPENAI_API_KEY")
    if key is None and other and (openai or other.startswith(KEY_PREFIX)):
        key = other
    return Gateway(url or openai or settings.url, key)


def _json(response: HTTPResponse) -> object:
    try:
        return json.loads(response.read())
    except (*http.Faults, ValueError):
        return None
