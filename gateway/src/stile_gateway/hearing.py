"""What is heard of one request, put in order: attempts, sequence numbers, the final word."""

from typing import NamedTuple

from pydantic import ValidationError

from stile_contracts import headers
from stile_contracts.messages import ErrorReply, EventKind, Reply
from stile_gateway.errors import InternalError, RelayedError
from stile_gateway.inbox import Delivery

FINAL = frozenset({EventKind.DONE, EventKind.ERROR})


class Said(NamedTuple):
    """One event of a request, to be handed on."""

    event: EventKind
    attempt: int
    body: bytes
    """The event's JSON as it came."""
    reply: Reply | None = None
    """On ``done``: its body, read."""
    after_gap: bool = False
    """On ``token``: some of its attempt before it was not heard."""


class Hearing:
    """Follows one request's events (docs/protocol.md, "What the requester hears").

    A higher attempt resets the lower; a lower one's late events are dropped, but not its outcome, which is
    the stored one whoever says it. A gap is counted and nothing else: ``done`` carries the whole text.
    """

    def __init__(self) -> None:
        self.gaps = 0
        self._attempt = -1
        self._expected = 0
        self._missed = False

    @property
    def started(self) -> bool:
        """Whether a worker was heard of."""
        return self._attempt > 0

    def hear(self, delivery: Delivery) -> Said | None:
        """Return what ``delivery`` says, or None where it says nothing new.

        Raises:
            RelayedError: it is the request's error.
            InternalError: it is the final word, and cannot be read.
        """
        try:
            event = EventKind(delivery.headers[headers.CHAT_EVENT])
            if event is EventKind.POSITION:
                return self._position(delivery)
            attempt = int(delivery.headers[headers.CHAT_ATTEMPT])
            seq = int(delivery.headers[headers.CHAT_SEQ])
        except (KeyError, ValueError):
            return None  # the empty message that ends a stream, or an event of a later version
        if event not in FINAL and not self._is_next(attempt, seq):
            return None
        match event:
            case EventKind.ERROR:
                raise relayed(delivery.body)
            case EventKind.DONE:
                if attempt == self._attempt and seq != self._expected:
                    self.gaps += 1
                return Said(event, attempt, delivery.body, reply_of(delivery.body))
        return Said(event, attempt, delivery.body, after_gap=self._missed)

    def _position(self, delivery: Delivery) -> Said | None:
        """Positions have no number: each replaces the one before. One that comes late is of no use."""
        return None if self.started else Said(EventKind.POSITION, 0, delivery.body)

    def _is_next(self, attempt: int, seq: int) -> bool:
        if attempt > self._attempt:
            self._attempt, self._expected, self._missed = attempt, 0, False
        if attempt < self._attempt or seq < self._expected:
            return False
        if seq > self._expected:
            self.gaps += 1
            self._missed = True
        self._expected = seq + 1
        return True


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
