"""``/chat``'s events, each by its name, and how a stream that broke off goes on.

A token's id says how many characters of the answer were sent, and their digest. With it, whoever has the
whole text, or another attempt's, can tell whether it begins with what the client has. If it does, the rest is
sent; if not, ``started`` resets the client before anything else. Two answers are never joined.
"""

import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple, Self

from fastapi.sse import format_sse_event

from stile_contracts.messages import AcceptedEvent, PositionEvent, Reply, StartedEvent, TokenEvent
from stile_gateway.dialects.sse import KEEP_ALIVE, MEDIA_TYPE
from stile_gateway.errors import GatewayError
from stile_gateway.requests.events import ReplyEvent

if TYPE_CHECKING:
    from stile_gateway.dialects.base import Dialect

_ID = re.compile(r"([0-9]{1,9})-([0-9a-f]{16})")


class StreamPosition(NamedTuple):
    """What a client has of an answer."""

    chars: int
    digest: str
    """The first 16 hex digits of the text's SHA-256."""

    @classmethod
    def parse(cls, last_event_id: str | None) -> Self | None:
        """Read the id of the last event that a client has; None if it has none, or it is not ours."""
        found = _ID.fullmatch(last_event_id or "")
        return cls(int(found[1]), found[2]) if found else None

    def begins(self, text: str) -> bool:
        """Tell whether ``text`` begins with what was sent."""
        return len(text) >= self.chars and _hash(text[: self.chars]).hexdigest()[:16] == self.digest


class NamedEvents:
    """Writes one stream.

    Args:
        dialect: how errors are written.
        resume: what the client has from an earlier stream.
    """

    media_type = MEDIA_TYPE
    keep_alive = KEEP_ALIVE

    def __init__(self, dialect: "Dialect", resume: StreamPosition | None = None) -> None:
        self._dialect = dialect
        self._resume = resume if resume is not None and resume.chars else None
        self._waiting: list[bytes] = []
        """Events that are sent only if the client must begin anew."""
        self._unsure = ""
        """Text that may be what the client has."""
        self._chars = 0
        self._digest = _hash()
        self._has_ids = True

    def event(self, event: ReplyEvent) -> bytes:
        """Write one event; in a resumed stream, nothing of what the client has."""
        match event.body:
            case AcceptedEvent() | PositionEvent():
                return _write("queued", event.json)
            case StartedEvent():
                return self._started(event.json)
            case TokenEvent() as token:
                return self._token(token)
            case Reply() as reply:
                return self._rest(reply) + _write("done", event.json)

    def error(self, error: GatewayError) -> bytes:
        """Write an error."""
        return _write("error", self._dialect.error(error))

    def _started(self, json: bytes) -> bytes:
        self._chars, self._digest, self._has_ids = 0, _hash(), True
        self._unsure = ""
        written = _write("started", json, self._id())
        if self._resume is None:
            return written
        self._waiting = [written]
        return b""

    def _token(self, token: TokenEvent) -> bytes:
        if token.tool_calls is not None or token.logprobs is not None:
            self._has_ids = False  # an id is about text alone
        written = self._piece(token)
        if self._resume is None:
            return written
        self._waiting.append(written)
        self._unsure += token.text
        if self._has_ids and len(self._unsure) < self._resume.chars:
            return b""
        resume, self._resume = self._resume, None
        if not self._has_ids or not resume.begins(self._unsure):
            return b"".join(self._waiting)
        rest = self._unsure[resume.chars :]
        return _write("token", _json(TokenEvent(text=rest)), self._id()) if rest else b""

    def _piece(self, token: TokenEvent) -> bytes:
        self._chars += len(token.text)
        self._digest.update(_bytes(token.text))
        return _write("token", _json(token), self._id() if self._has_ids else None)

    def _rest(self, reply: Reply) -> bytes:
        """Return what is missing of the text that the client has a part of."""
        sent = self._resume or StreamPosition(self._chars, self._digest.hexdigest()[:16])
        if reply.refused or reply.tool_calls or not sent.chars or not self._has_ids:
            return b""
        if not sent.begins(reply.response):
            return b"".join(self._waiting) if self._resume else b""
        rest = reply.response[sent.chars :]
        if not rest:
            return b""
        self._chars, self._digest = sent.chars, _hash(reply.response[: sent.chars])
        return self._piece(TokenEvent(text=rest))

    def _id(self) -> str:
        return f"{self._chars}-{self._digest.hexdigest()[:16]}"


def _write(name: str, json: bytes, event_id: str | None = None) -> bytes:
    # In one call `data` would come before `id`: a client that acts on `data` must have the id already.
    head = format_sse_event(event=name, id=event_id).removesuffix(b"\n")
    return head + format_sse_event(data_str=json.decode())


def _json(token: TokenEvent) -> bytes:
    return token.model_dump_json(exclude_none=True).encode()


def _hash(text: str = "") -> "hashlib._Hash":
    return hashlib.sha256(_bytes(text))


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
