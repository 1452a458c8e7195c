"""The use case: a request that CHAT gives up. ``docs/protocol.md``, "Dead letters", is its text.

A worker lays aside what it is handed once too often. This is for what no worker could: if the last
delivery's worker died as well, nats-server hands the request out no more, and leaves it in CHAT, where it
takes a place for ever.
"""

import json
import time
from collections.abc import Awaitable, Callable

import structlog

from stile_contracts import headers, subjects
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import ErrorReply, EventLevel
from stile_contracts.subjects import RequestAddress
from stile_filter.errors import BusError, RequestError, UnconfirmedError
from stile_filter.requests.chat_log import ChatLog
from stile_filter.store import Store, StoredMessage, UndeliverableMessage
from stile_filter.transport.failures import log_failure
from stile_filter.transport.message import IncomingMessage, OutgoingMessage
from stile_filter.transport.reply import Replies, outcome_of, to_json

_MESSAGE = "The request was begun several times, and never finished; it is not tried again."
_NATS_HEADERS = "Nats-"
"""Headers with this prefix are nats-server's own: none of them belongs into another message."""

log = structlog.get_logger()


class DeadLetters:
    """Stores requests that are delivered no more in CHAT_DLQ, and replies to their requesters.

    Args:
        store: the streams.
        send: sends messages to requesters.
        counted: told of each dead letter.
        chat_log: the log of what happened.
        now: the time, in seconds since the Unix epoch.
    """

    def __init__(
        self,
        store: Store,
        send: Callable[[list[OutgoingMessage]], Awaitable[None]],
        counted: Callable[[], None],
        chat_log: ChatLog,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._send = send
        self._counted = counted
        self._log = chat_log
        self._now = now

    async def advised(self, incoming: IncomingMessage) -> None:
        """Take nats-server's word that it delivers a message no more. Never raises."""
        try:
            advisory = json.loads(incoming.body)
            given_up = UndeliverableMessage(int(advisory["stream_seq"]), int(advisory["deliveries"]))
        except (ValueError, KeyError, TypeError):
            log.warning("advisory_unreadable", subject=incoming.subject)
            return
        await self._bury(given_up)

    async def sweep(self) -> None:
        """Find what was given up while no filter received the advisory. Never raises for the bus."""
        try:
            found = await self._store.given_up()
        except BusError as error:
            log_failure(error, "sweep")
            return
        for given_up in found:
            await self._bury(given_up)

    async def _bury(self, given_up: UndeliverableMessage) -> None:
        try:
            if held := await self._store.at(given_up.seq):
                await self._lay_aside(given_up, held)
        except Exception as error:  # noqa: BLE001 -- one bad message keeps no other from its end
            # The next sweep finds it again.
            log_failure(error, "dead letter", seq=given_up.seq)

    async def _lay_aside(self, given_up: UndeliverableMessage, held: StoredMessage) -> None:
        """Dead letter, outcome, reply, and out of CHAT: in this order, so that each may be done again."""
        own = {name: text for name, text in held.headers.items() if not name.startswith(_NATS_HEADERS)}
        try:
            place = held.address
        except ValueError:
            # No filter approves under such a subject. There is no one to reply to, but its place is freed.
            log.error("dead_letter_unreadable", seq=given_up.seq)  # noqa: TRY400 -- a traceback tells no more
            await self._store.remove(given_up.seq)
            return
        outcome = await self._store.result(place.client, place.id)
        if outcome is None:
            outcome = await self._end(given_up, held, own, place)
            log.error("dead_letter", chat_id=str(place.id), deliveries=given_up.deliveries)
            self._counted()
        await self._send(_to_requester(own, place, outcome))
        await self._store.remove(given_up.seq)
        await self._store.notify(subjects.finished(*place))
        # The worker may have died between the result and its record.
        await self._log.write_stored(place, outcome_of(outcome.body), attempt=given_up.deliveries)

    async def _end(
        self, given_up: UndeliverableMessage, held: StoredMessage, own: dict[str, str], place: RequestAddress
    ) -> StoredMessage:
        """Lay the request aside and give it its outcome; return the one that counts."""
        attempt = {headers.CHAT_ATTEMPT: str(given_up.deliveries)}
        dead = {
            **own,
            **attempt,
            headers.CHAT_DEAD_REASON: ErrorCode.TOO_MANY_ATTEMPTS,
            headers.CHAT_DEAD_AT: str(int(self._now() * 1000)),
        }
        try:
            # A worker may have done so, and died before it stored the outcome.
            await self._store.store_dead_letter(place, held.body, dead)
        except RequestError as too_large:
            # With its added headers it is larger than the bus carries, and always will be. It ends all the
            # same, so that it does not keep its place.
            log.error("dead_letter_not_kept", chat_id=str(place.id), reason=too_large.message)  # noqa: TRY400
        error = ErrorReply.of(ErrorCode.TOO_MANY_ATTEMPTS, _MESSAGE, chat_id=place.id)
        outcome_headers = {headers.CHAT_ID: str(place.id), **attempt, headers.CHAT_SEQ: "0"}
        if digest := own.get(headers.CHAT_BODY_SHA256):
            outcome_headers[headers.CHAT_BODY_SHA256] = digest
        mine = StoredMessage(outcome_headers, to_json(error))
        if await self._store.store_result(place.client, place.id, mine.body, outcome_headers):
            return mine
        theirs = await self._store.result(place.client, place.id)
        if theirs is None:
            raise UnconfirmedError
        return theirs


def _to_requester(
    own: dict[str, str], place: RequestAddress, outcome: StoredMessage
) -> list[OutgoingMessage]:
    reply_to = own.get(headers.CHAT_REPLY_TO, "")
    if not subjects.is_reply_allowed(reply_to):
        return []
    events = own.get(headers.CHAT_EVENTS, EventLevel.NONE)
    wanted = EventLevel(events) if events in EventLevel.__members__.values() else EventLevel.NONE
    if wanted is EventLevel.ACCEPTED:
        return []
    replies = Replies(reply_to, wanted, place.id)
    replies.stored(outcome)
    return replies.messages
