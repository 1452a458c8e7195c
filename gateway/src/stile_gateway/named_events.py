"""``/chat``'s own events, each by its name, and how a stream that broke off goes on.

A token's id says how many characters of the answer were sent, and their digest. So whoever has the whole
text, or another attempt's, can tell whether it begins with what the client has: then the rest is sent, and
if not, ``started`` resets the client before anything else. No text is ever put together from two answers.
"""

import hashlib
import re
from typing import NamedTuple, Self

from pydantic import ValidationError

from stile_contracts.messages import EventKind, Reply, TokenEvent
from stile_gateway.errors import GatewayError, InternalError
from stile_gateway.hearing import Said
from stile_gateway.note import Dialect
from stile_gateway.responses import block, error_body

LAST_EVENT_ID = "Last-Event-ID"
_ID = re.compile(r"([0-9]{1,9})-([0-9a-f]{16})")
_NAMES = {EventKind.ACCEPTED: "queued", EventKind.POSITION: "queued"}


class Sent(NamedTuple):
    """What a client has of an answer."""

    chars: int
    digest: str
    """The first 16 hex digits of the text's SHA-256."""

    @classmethod
    def parse(cls, last_event_id: str | None) -> Self | None:
        """Read the id of the last event that a client has; None where there is none, or nothing of ours."""
        found = _ID.fullmatch(last_event_id or "")
        return cls(int(found[1]), found[2]) if found else None

    def begins(self, text: str) -> bool:
        """Tell whether ``text`` begins with what was sent."""
        return len(text) >= self.chars and _hash(text[: self.chars]).hexdigest()[:16] == self.digest


class NamedEvents:
    """Writes one stream.

    Args:
        resume: what the client has from an earlier one.
    """

    def __init__(self, resume: Sent | None = None) -> None:
        self._resume = resume if resume is not None and resume.chars else None
        self._waiting: list[bytes] = []
        """Blocks that are sent only where the client must begin anew."""
        self._unsure = ""
        """Text that may be what the client has."""
        self._chars = 0
        self._digest = _hash()
        self._has_ids = True

    def block(self, said: Said) -> bytes:
        """Write one event; with a resumed stream, nothing of what the client has.

        Raises:
            InternalError: the event cannot be read.
        """
        match said.event:
            case EventKind.STARTED:
                return self._started(said.body)
            case EventKind.TOKEN:
                return self._token(said.body)
            case EventKind.DONE if said.reply is not None:
                return self._rest(said.reply) + block("done", said.body)
        return block(_NAMES.get(said.event, said.event.value), said.body)

    def error(self, error: GatewayError) -> bytes:
        """Write an error."""
        return block("error", error_body(error, Dialect.STILE))

    def _started(self, body: bytes) -> bytes:
        self._chars, self._digest, self._has_ids = 0, _hash(), True
        self._unsure = ""
        written = block("started", body, self._id())
        if self._resume is None:
            return written
        self._waiting = [written]
        return b""

    def _token(self, body: bytes) -> bytes:
        try:
            token = TokenEvent.model_validate_json(body)
        except ValidationError as error:
            raise InternalError("An event could not be read.") from error
        if token.tool_calls is not None or token.logprobs is not None:
            self._has_ids = False  # an id tells of text alone
        written = self._piece(token.text, body)
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
        return block("token", _body(rest), self._id()) if rest else b""

    def _piece(self, text: str, body: bytes) -> bytes:
        self._chars += len(text)
        self._digest.update(_bytes(text))
        return block("token", body, self._id() if self._has_ids else None)

    def _rest(self, reply: Reply) -> bytes:
        """Return what is missing of the text that the client has a part of."""
        sent = self._resume or Sent(self._chars, self._digest.hexdigest()[:16])
        if reply.refused or reply.tool_calls or not sent.chars or not self._has_ids:
            return b""
        if not sent.begins(reply.response):
            return b"".join(self._waiting) if self._resume else b""
        rest = reply.response[sent.chars :]
        if not rest:
            return b""
        self._chars, self._digest = sent.chars, _hash(reply.response[: sent.chars])
        return self._piece(rest, _body(rest))

    def _id(self) -> str:
        return f"{self._chars}-{self._digest.hexdigest()[:16]}"


def _body(text: str) -> bytes:
    return TokenEvent(text=text).model_dump_json(exclude_none=True).encode()


def _hash(text: str = "") -> "hashlib._Hash":
    return hashlib.sha256(_bytes(text))


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
