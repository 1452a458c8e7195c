"""What an API of the gateway is made of."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from stile_contracts.messages import Trim
from stile_gateway.dialects.places import Places
from stile_gateway.errors import GatewayError, status_of
from stile_gateway.requests.events import ReplyEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """What a dialect has read of an HTTP request; each has a subclass with more."""

    body: bytes
    """A ``ChatRequest`` as JSON, for the bus."""
    prompt: str | None = None
    contents: Sequence[str | None] = ()
    """The text of each message."""
    is_stream: bool = False
    answer_later: bool = False
    """Whether the client comes back for the answer."""
    trim: Trim | None = None
    """What a field of the API says of a conversation that is too long; it outweighs the header."""
    places: Places = field(default_factory=Places)
    """Where in the client's request each message is."""


class StreamWriter(Protocol):
    """Writes one request's events as a stream."""

    media_type: str

    @property
    def keep_alive(self) -> bytes:
        """What is sent if nothing happens, so that no proxy closes the connection."""

    def event(self, event: ReplyEvent) -> bytes:
        """Write one event; nothing is sent of an empty one.

        Raises:
            GatewayError: the stream cannot go on.
        """

    def error(self, error: GatewayError) -> bytes:
        """Write the end of a stream that failed."""


class Dialect(ABC):
    """One API: its addresses, and the shapes of its requests, answers, streams and errors."""

    prefixes: ClassVar[tuple[str, ...]] = ()
    """The addresses whose errors have this dialect's shape: these, and all below them."""
    bodies: ClassVar[tuple[type[BaseModel], ...]] = ()
    """The models of its requests, for the OpenAPI document."""

    @abstractmethod
    def router(self) -> APIRouter:
        """Return its routes."""

    @abstractmethod
    def read(self, body: bytes, request: Request) -> ApiRequest:
        """Read a request.

        Raises:
            RequestError: it is no such request.
        """

    @abstractmethod
    def whole(self, request: ApiRequest, chat_id: UUID, event: ReplyEvent) -> Response:
        """Write an answer that is not streamed.

        Args:
            request: what ``read`` returned.
            chat_id: the request's id.
            event: ``done``; if the client comes back for the answer, the first event.
        """

    @abstractmethod
    def writer(self, request: ApiRequest, chat_id: UUID) -> StreamWriter:
        """Return what writes a streamed answer."""

    @abstractmethod
    def error(self, error: GatewayError) -> bytes:
        """Write an error as JSON."""

    def status(self, error: GatewayError) -> int:
        """Return the HTTP status of an error."""
        return status_of(error)

    def error_headers(self, error: GatewayError) -> Mapping[str, str]:  # noqa: ARG002 -- for subclasses
        """Return further headers of an error."""
        return {}

    def answer_headers(self, seconds: float) -> Mapping[str, str]:  # noqa: ARG002 -- for subclasses
        """Return headers of every answer, whose first byte took so many seconds."""
        return {}

    def error_response(self, error: GatewayError, headers: Mapping[str, str] | None = None) -> Response:
        """Return an error as a response, with ``Retry-After`` if a repeat may do better."""
        status = self.status(error)
        fields = {**(headers or {}), **self.error_headers(error)}
        if status in {429, 503}:
            seconds = error.retry_after or 1
            fields["Retry-After"] = str(max(1, math.ceil(seconds)))
            fields["retry-after-ms"] = str(max(1, math.ceil(seconds * 1000)))
        if status == 401:
            fields["WWW-Authenticate"] = "Bearer"
        return Response(self.error(error), status, fields, media_type="application/json")


class Dialects:
    """The dialects of one gateway.

    Args:
        dialects: the first is the one of all addresses that no other names.
    """

    def __init__(self, dialects: Sequence[Dialect]) -> None:
        self.all = tuple(dialects)
        prefixes = {prefix: dialect for dialect in dialects for prefix in dialect.prefixes}
        self._by_prefix = sorted(prefixes.items(), key=lambda item: -len(item[0]))

    def of(self, path: str) -> Dialect:
        """Return the dialect of an address: that of the longest prefix."""
        for prefix, dialect in self._by_prefix:
            if path == prefix or path.startswith(f"{prefix}/"):
                return dialect
        return self.all[0]
