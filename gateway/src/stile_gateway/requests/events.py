"""The events of one request, from the inbox where they wait to the order that they are read in."""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from pydantic import ValidationError

from stile_contracts import headers
from stile_contracts.messages import (
    AcceptedEvent,
    ErrorReply,
    EventKind,
    PositionEvent,
    Reply,
    StartedEvent,
    TokenEvent,
)
from stile_gateway.errors import InternalError, RelayedError


class ReplyMessage(NamedTuple):
    """One message that came to a request's reply subject."""

    headers: Mapping[str, str]
    body: bytes


class StatusReply(NamedTuple):
    """The answer to a status request."""

    headers: Mapping[str, str]
    body: bytes


class Signal(Enum):
    """What the reader must know beside the messages."""

    NO_RESPONDERS = "no_responders"
    """No filter was there to receive the request."""
    RECONNECTED = "reconnected"
    """The connection was lost and is back; what was sent in the meantime is lost."""
    FINISHED = "finished"
    """The request has its result, whichever gateway received it."""
    LEAVING = "leaving"
    """The gateway is stopping; less time is left."""


InboxItem = ReplyMessage | StatusReply | Signal


class Inbox:
    """A bounded queue of one request's replies.

    If its reader is too slow, tokens are dropped, and positions that a later one has replaced: ``done``
    carries the whole text. So all other events find room.

    Args:
        subject: the reply subject that it stands for.
        size: items that may wait.
    """

    def __init__(self, subject: str, size: int = 256) -> None:
        self.subject = subject
        self.dropped = 0
        """Events that found no room."""
        self.is_attended = True
        """Whether a client waits for the request, or did a moment ago."""
        self._size = size
        self._waiting: deque[InboxItem] = deque()
        self._came = asyncio.Event()

    def put(self, item: InboxItem) -> None:
        """Add an item; in a full queue a token gives way to all else."""
        if len(self._waiting) >= self._size:
            self.dropped += 1
            if _is(item, EventKind.TOKEN):
                return
            self._make_room()
        self._waiting.append(item)
        self._came.set()

    async def get(self, within: float) -> InboxItem | None:
        """Return the oldest item, or None if none comes within so many seconds."""
        if not self._waiting:
            if within <= 0:
                return None
            self._came.clear()
            try:
                async with asyncio.timeout(within):
                    await self._came.wait()
            except TimeoutError:
                return None
        return self._waiting.popleft()

    def _make_room(self) -> None:
        """Drop the oldest token, or else the oldest position, or else the oldest item."""
        for event in (EventKind.TOKEN, EventKind.POSITION):
            for index, item in enumerate(self._waiting):
                if _is(item, event):
                    del self._waiting[index]
                    return
        self._waiting.popleft()


def _is(item: InboxItem, event: EventKind) -> bool:
    return isinstance(item, ReplyMessage) and item.headers.get(headers.CHAT_EVENT) == event


EventBody = AcceptedEvent | PositionEvent | StartedEvent | TokenEvent | Reply

_KINDS: Mapping[type[EventBody], EventKind] = {
    AcceptedEvent: EventKind.ACCEPTED,
    PositionEvent: EventKind.POSITION,
    StartedEvent: EventKind.STARTED,
    TokenEvent: EventKind.TOKEN,
    Reply: EventKind.DONE,
}
_BODIES = {kind: body for body, kind in _KINDS.items()}


@dataclass(frozen=True, slots=True)
class ReplyEvent:
    """One event of a request; ``error`` is none, it is raised."""

    body: EventBody
    attempt: int = 0
    raw: bytes | None = None
    """The body's JSON as it came; None if the gateway has made the event."""
    after_gap: bool = False
    """Of a token: some tokens of its attempt before it are missing."""

    @property
    def kind(self) -> EventKind:
        """The kind, which the body's type says."""
        return _KINDS[type(self.body)]

    @property
    def json(self) -> bytes:
        """The body's JSON."""
        if self.raw is not None:
            return self.raw
        return self.body.model_dump_json(exclude_none=True).encode()


class EventSequencer:
    """Puts one request's events in order (docs/protocol.md, "What the requester hears").

    A higher attempt resets the lower. Late events of a lower attempt are dropped, but its final event is
    accepted, because the stored result is the same. A gap is counted and nothing else: ``done`` carries the
    whole text. An event that cannot be read counts as lost.
    """

    def __init__(self) -> None:
        self.gaps = 0
        self._attempt = -1
        self._expected = 0
        self._missed = False

    @property
    def has_started(self) -> bool:
        """Whether an event of a worker has come."""
        return self._attempt > 0

    def read(self, message: ReplyMessage) -> ReplyEvent | None:
        """Read a message; None if it says nothing new.

        Raises:
            RelayedError: it is the request's error.
            InternalError: it is the final event, and cannot be read.
        """
        try:
            kind = EventKind(message.headers[headers.CHAT_EVENT])
            if kind is EventKind.POSITION:
                # Positions have no number: each replaces the one before. A late one is of no use.
                return None if self.has_started else _event(kind, message.body)
            attempt = int(message.headers[headers.CHAT_ATTEMPT])
            seq = int(message.headers[headers.CHAT_SEQ])
        except (KeyError, ValueError):
            return None  # the empty message that ends a stream, or an event of a later version
        match kind:
            case EventKind.ERROR:
                raise relayed(message.body)
            case EventKind.DONE:
                if attempt == self._attempt and seq != self._expected:
                    self.gaps += 1
                return ReplyEvent(reply_of(message.body), attempt, message.body)
        if attempt < self._attempt or (attempt == self._attempt and seq < self._expected):
            return None
        event = _event(kind, message.body, attempt)
        return None if event is None else self._in_order(event, seq)

    def _in_order(self, event: ReplyEvent, seq: int) -> ReplyEvent:
        if event.attempt > self._attempt:
            self._attempt, self._expected, self._missed = event.attempt, 0, False
        if seq > self._expected:
            self.gaps += 1
            self._missed = True
        self._expected = seq + 1
        return ReplyEvent(event.body, event.attempt, event.raw, self._missed) if self._missed else event


def status_of(reply: StatusReply) -> ReplyEvent:
    """Read the answer to a status request: ``position``, ``started`` or ``done``.

    Raises:
        RelayedError: the request's error; ``not_found``; or why its status is not known.
        InternalError: the answer cannot be read.
    """
    match reply.headers.get(headers.CHAT_EVENT):
        case EventKind.DONE:
            return ReplyEvent(reply_of(reply.body), raw=reply.body)
        case EventKind.ERROR:
            raise relayed(reply.body)
        case EventKind.POSITION | EventKind.STARTED as kind if event := _event(EventKind(kind), reply.body):
            return event
    raise InternalError("What became of the request could not be read.")


def reply_of(body: bytes) -> Reply:
    """Read the body of ``done``.

    Raises:
        InternalError: it cannot be read.
    """
    try:
        return Reply.model_validate_json(body)
    except ValidationError as error:
        raise InternalError("The answer could not be read.") from error


def relayed(body: bytes) -> RelayedError | InternalError:
    """Read the body of ``error``."""
    try:
        return RelayedError(ErrorReply.model_validate_json(body))
    except ValidationError:
        return InternalError("The request failed, and the reason could not be read.")


def _event(kind: EventKind, body: bytes, attempt: int = 0) -> ReplyEvent | None:
    try:
        return ReplyEvent(_BODIES[kind].model_validate_json(body), attempt, body)
    except ValidationError:
        return None
