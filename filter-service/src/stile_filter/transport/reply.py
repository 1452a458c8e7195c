"""What a requester is sent: events, the final reply, and what ends a stream of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from pydantic import BaseModel, ValidationError

from stile_contracts import headers
from stile_contracts.errors import ERRORS
from stile_contracts.messages import (
    AcceptedEvent,
    ErrorReply,
    EventKind,
    EventLevel,
    PositionEvent,
    Reply,
    StartedEvent,
)
from stile_filter.errors import RequestError, UnavailableError
from stile_filter.queue.estimate import QueuePosition
from stile_filter.store import StoredMessage
from stile_filter.transport.message import OutgoingMessage

FILTER_ATTEMPT = "0"
"""The filter's own ``Chat-Attempt``; deliveries count from 1."""


@dataclass(slots=True)
class Replies:
    """Makes one requester's messages; knows more of it the further its request is read."""

    reply_to: str
    wanted: EventLevel = EventLevel.NONE
    chat_id: UUID | None = None
    seq: int = 0
    """How many events the filter has sent before these."""
    messages: list[OutgoingMessage] = field(default_factory=list)
    """The messages to send, in order."""

    def accepted(self, position: QueuePosition) -> None:
        """Add that the request is stored, if the requester wanted it."""
        if self.wanted is not EventLevel.NONE and self.chat_id:
            self._event(EventKind.ACCEPTED, to_json(AcceptedEvent(id=self.chat_id, **position._asdict())))

    def moved(self, position: QueuePosition) -> None:
        """Add the request's position, if the requester wanted it."""
        if self.wanted in (EventLevel.STATE, EventLevel.TOKEN):
            self.waits(position)

    def waits(self, position: QueuePosition) -> None:
        """Add the request's position; it has no number, as each replaces the one before."""
        if self.chat_id:
            self._event(
                EventKind.POSITION,
                to_json(PositionEvent(id=self.chat_id, **position._asdict())),
                numbered=False,
            )

    def runs(self) -> None:
        """Add that a worker has the request. It is not the worker's own event, so it has no number."""
        if self.chat_id:
            self._event(EventKind.STARTED, to_json(StartedEvent(id=self.chat_id)), numbered=False)

    def done(self, reply: Reply) -> None:
        """Give the final reply."""
        self._event(EventKind.DONE, to_json(reply))
        self._end()

    def error(self, error: RequestError) -> None:
        """Give an error."""
        reply = error_reply(error, self.chat_id)
        self._event(EventKind.ERROR, to_json(reply), _error_headers(reply))
        self._end()

    def stored(self, outcome: StoredMessage) -> EventKind:
        """Add a result as it is stored; return whether it is ``done`` or ``error``.

        Raises:
            UnavailableError: what is stored is no outcome.
        """
        reply = outcome_of(outcome.body)
        extra = {
            name: outcome.headers[name]
            for name in (headers.CHAT_ATTEMPT, headers.CHAT_SEQ)
            if name in outcome.headers
        }
        event = EventKind.DONE
        if isinstance(reply, ErrorReply):
            event, extra = EventKind.ERROR, extra | _error_headers(reply)
        self._event(event, outcome.body, extra)
        self._end()
        return event

    def _event(
        self, event: EventKind, body: bytes, extra: Mapping[str, str] | None = None, *, numbered: bool = True
    ) -> None:
        named = {headers.CHAT_ID: str(self.chat_id)} if self.chat_id else {}
        number = {headers.CHAT_SEQ: str(self.seq)} if numbered else {}
        self.messages.append(
            OutgoingMessage(
                self.reply_to,
                body,
                {
                    **named,
                    headers.CHAT_EVENT: event,
                    headers.CHAT_ATTEMPT: FILTER_ATTEMPT,
                    **number,
                    **(extra or {}),
                },
            )
        )

    def _end(self) -> None:
        if self.wanted is EventLevel.TOKEN:
            self.messages.append(OutgoingMessage(self.reply_to, b"", None))


def error_reply(error: RequestError, chat_id: UUID | None) -> ErrorReply:
    """Make of an error what is sent and stored."""
    return ErrorReply.of(
        error.code,
        error.message,
        chat_id=chat_id,
        param=error.param,
        retry_after=error.retry_after,
        stage=error.stage,
    )


def outcome_of(body: bytes) -> Reply | ErrorReply:
    """Read a stored result.

    Raises:
        UnavailableError: it is none.
    """
    try:
        return Reply.model_validate_json(body)
    except ValidationError:
        try:
            return ErrorReply.model_validate_json(body)
        except ValidationError as error:
            raise UnavailableError("what CHAT_RESULT holds is no outcome") from error


def _error_headers(reply: ErrorReply) -> dict[str, str]:
    code = reply.error.code
    return {headers.NATS_ERROR_CODE: str(ERRORS[code].status), headers.NATS_ERROR: code}


def to_json(message: BaseModel) -> bytes:
    """Write a message's body."""
    return message.model_dump_json(exclude_none=True).encode()
