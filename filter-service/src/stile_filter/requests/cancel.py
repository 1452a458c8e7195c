"""The use case: a request is cancelled. ``docs/protocol.md``, "Cancelling", is its text.

The outcome is the tombstone: *cancelled* is written into CHAT_RESULT like every other outcome, create-only,
so whoever would generate, or is generating, finds that the request has its outcome (docs/adr/0005).
"""

from collections.abc import Callable
from uuid import UUID

import structlog

from stile_contracts import headers, subjects
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import CancelHit, CancelReceipt, ErrorReply, EventLevel
from stile_filter.admission.envelope import client_of
from stile_filter.errors import RequestError
from stile_filter.requests.chat_log import ChatLog
from stile_filter.store import Store, StoredMessage
from stile_filter.transport.failures import answered
from stile_filter.transport.message import IncomingMessage, OutgoingMessage
from stile_filter.transport.reply import Replies, error_reply, outcome_of, to_json

_MESSAGE = "The request was cancelled."

log = structlog.get_logger()


class Canceller:
    """Handles cancellations.

    Args:
        store: the streams.
        counted: told what each has hit.
        chat_log: the log of what happened.
    """

    def __init__(self, store: Store, counted: Callable[[CancelHit], None], chat_log: ChatLog) -> None:
        self._store = store
        self._counted = counted
        self._log = chat_log

    async def handle(self, incoming: IncomingMessage) -> list[OutgoingMessage]:
        """Cancel a request and return the receipt, and what its requester is sent. Never raises."""
        _, messages = await answered("cancellation", incoming, self._handle, needs_reply=False)
        return messages

    async def _handle(self, incoming: IncomingMessage, replies: Replies) -> str:
        client, chat_id = _read(incoming)
        hit = await self.cancel(client, chat_id, replies.messages)
        receipt = CancelReceipt(id=chat_id, hit=hit)
        replies.messages.append(
            OutgoingMessage(incoming.reply_to, to_json(receipt), {headers.CHAT_ID: str(chat_id)})
        )
        return hit

    async def cancel(self, client: str, chat_id: UUID, said: list[OutgoingMessage]) -> CancelHit:
        """Cancel a client's request; add to ``said`` what its requester is sent.

        Raises:
            BusError: it may not be cancelled.
        """
        hit = await self._cancel(client, chat_id, said)
        self._counted(hit)
        log.info("cancelled", chat_id=str(chat_id), hit=hit)
        return hit

    async def _cancel(self, client: str, chat_id: UUID, said: list[OutgoingMessage]) -> CancelHit:
        held = await self._store.waiting(client, chat_id)
        error = RequestError(ErrorCode.CANCELLED, _MESSAGE)
        body = to_json(error_reply(error, chat_id))
        if not await self._store.store_result(client, chat_id, body, _result_headers(chat_id, held)):
            stored = await self._store.result(client, chat_id)
            if held is None or stored is None or not _is_cancelled(stored):
                return CancelHit.FINISHED
            # It was cancelled before, and the rest was not done: it is done now.
        # It may have been approved since it was looked for.
        held = held or await self._store.waiting(client, chat_id)
        await self._store.notify(subjects.cancelled(client, chat_id))
        if held is None:
            return CancelHit.UNKNOWN
        if await self._store.is_delivered(held) or not await self._store.remove(held.seq):
            return CancelHit.RUNNING
        said.extend(_to_requester(held, chat_id, error))
        # If a worker has it, the worker writes the record.
        await self._log.write(held.address, ErrorCode.CANCELLED)
        return CancelHit.WAITING


def _read(incoming: IncomingMessage) -> tuple[str, UUID]:
    try:
        origin, chat_id = subjects.parse_cancel(incoming.subject)
    except ValueError as error:
        raise RequestError(
            ErrorCode.INVALID_HEADER, "cancel at chat.cancel.<id>, the id a UUID", param=headers.CHAT_ID
        ) from error
    return client_of(origin, incoming), chat_id


def _result_headers(chat_id: UUID, held: StoredMessage | None) -> dict[str, str]:
    """Without a digest, a repeat under the request's key is cancelled as well, whatever its body."""
    digest = held.headers.get(headers.CHAT_BODY_SHA256) if held else None
    return {headers.CHAT_ID: str(chat_id), **({headers.CHAT_BODY_SHA256: digest} if digest else {})}


def _is_cancelled(stored: StoredMessage) -> bool:
    outcome = outcome_of(stored.body)
    return isinstance(outcome, ErrorReply) and outcome.error.code is ErrorCode.CANCELLED


def _to_requester(stored: StoredMessage, chat_id: UUID, error: RequestError) -> list[OutgoingMessage]:
    """Make the reply to the requester of a waiting request; no worker will ever send it one."""
    reply_to = stored.headers.get(headers.CHAT_REPLY_TO, "")
    if not subjects.is_reply_allowed(reply_to):
        return []
    wanted = EventLevel(stored.headers.get(headers.CHAT_EVENTS, EventLevel.NONE))
    if wanted is EventLevel.ACCEPTED:
        return []
    # `accepted` was the filter's event number 0, if the requester wanted it.
    replies = Replies(reply_to, wanted, chat_id, seq=0 if wanted is EventLevel.NONE else 1)
    replies.error(error)
    return replies.messages
