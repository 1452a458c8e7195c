"""A repeated request is answered with what became of the first one: its result, or its place in CHAT."""

from dataclasses import replace
from typing import NamedTuple

from stile_contracts import headers, subjects
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import ChatRequest, EventLevel
from stile_filter.admission.approval import Approvals
from stile_filter.admission.envelope import Envelope
from stile_filter.admission.ports import Queue
from stile_filter.errors import RequestError
from stile_filter.guard.decide import Decider
from stile_filter.guard.policy import Policy
from stile_filter.guard.texts import RequestTexts
from stile_filter.store import Store, StoredMessage
from stile_filter.transport.reply import Replies


class PendingRequest(NamedTuple):
    """A request that is being decided."""

    request: ChatRequest
    texts: RequestTexts
    envelope: Envelope
    replies: Replies
    policy: Policy
    """The one that it is judged by, from the start to the end."""
    decider: Decider
    approvals: Approvals


class Repeats:
    """Knows a repeat, and replies it.

    Args:
        store: where approvals and results are kept.
        queue: who waits, and for how long.
    """

    def __init__(self, store: Store, queue: Queue) -> None:
        self._store = store
        self._queue = queue

    async def reply_with_result(self, pending: PendingRequest) -> StoredMessage | None:
        """Reply with the request's result, and return it; None if it has none.

        Raises:
            RequestError: it is another request's.
        """
        stored = await self._store.result(pending.envelope.client, pending.envelope.id)
        if stored is not None:
            _same_body(stored, pending.envelope)
            pending.replies.stored(stored)
        return stored

    async def reply_accepted(self, pending: PendingRequest) -> bool:
        """Reply that the request is accepted, if CHAT holds it, for any lane and model.

        Raises:
            RequestError: the place is another request's, or its answer goes elsewhere.
        """
        waiting = await self._store.waiting(pending.envelope.client, pending.envelope.id)
        if waiting is not None:
            self._accept(waiting, pending)
        return waiting is not None

    def _accept(self, waiting: StoredMessage, pending: PendingRequest) -> None:
        envelope, replies = pending.envelope, pending.replies
        _same_body(waiting, envelope)
        place = waiting.address
        # A direct client's own request, published again because its confirmation was lost, is no second one.
        if not envelope.from_gateway and waiting.headers.get(headers.CHAT_REPLY_TO) != envelope.reply_to:
            if replies.wanted is EventLevel.ACCEPTED:
                # Nothing more is sent here; the first requester goes on receiving what it wanted.
                replies.accepted(self._queue.position(subjects.approved(*place)))
                return
            raise RequestError(
                ErrorCode.IN_PROGRESS,
                "a request under this key waits or runs; its result goes to the client that sent it first, "
                f"and can be asked for at chat.outcome.{envelope.id}",
            )
        subscription = pending.approvals.subscription(
            pending.request, pending.texts, replace(envelope, lane=place.lane), replies.wanted
        )
        replies.accepted(self._queue.accepted(subscription))


def _same_body(stored: StoredMessage, envelope: Envelope) -> None:
    # What was cancelled before it was approved has no digest: it is cancelled, whatever its body.
    if stored.headers.get(headers.CHAT_BODY_SHA256, envelope.body_sha256) != envelope.body_sha256:
        raise RequestError(
            ErrorCode.KEY_CONFLICT,
            "another request was sent under this key; use a new key for a new request",
            param=headers.CHAT_KEY if envelope.keyed else headers.CHAT_ID,
        )
