"""The use case: what has become of a request. ``docs/protocol.md``, "Looking a request up"."""

from collections.abc import Callable
from uuid import UUID

from stile_contracts import headers, subjects
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import EventKind
from stile_filter.admission.envelope import client_of
from stile_filter.errors import RequestError
from stile_filter.queue.estimate import QueuePosition
from stile_filter.store import Store
from stile_filter.transport.failures import DROPPED, answered
from stile_filter.transport.message import IncomingMessage, OutgoingMessage
from stile_filter.transport.reply import Replies


class StatusRequests:
    """Handles status requests.

    Args:
        store: the streams.
        position: returns the position of the request with this subject in CHAT (``subjects.approved``).
        counted: called with what each has found: an event's name, or an error's code.
    """

    def __init__(
        self, store: Store, position: Callable[[str], QueuePosition], counted: Callable[[str], None]
    ) -> None:
        self._store = store
        self._position = position
        self._counted = counted

    async def handle(self, incoming: IncomingMessage) -> list[OutgoingMessage]:
        """Return the one reply: the result, or where the request is. Never raises."""
        found, messages = await answered("status", incoming, self._look_up, writes=False)
        if found != DROPPED:
            self._counted(found)
        return messages

    async def _look_up(self, incoming: IncomingMessage, replies: Replies) -> str:
        client, replies.chat_id = _read(incoming)
        if outcome := await self._store.result(client, replies.chat_id):
            return replies.stored(outcome)
        if found := await self._in_chat(client, replies.chat_id, replies):
            return found
        # A request leaves CHAT after its result was stored, so one that left in between has it now.
        if outcome := await self._store.result(client, replies.chat_id):
            return replies.stored(outcome)
        raise RequestError(
            ErrorCode.NOT_FOUND, "nothing is known of this request; outcomes are kept for an hour"
        )

    async def _in_chat(self, client: str, chat_id: UUID, replies: Replies) -> EventKind | None:
        held = await self._store.waiting(client, chat_id)
        if held is None:
            return None
        if await self._store.is_delivered(held):
            replies.runs()
            return EventKind.STARTED
        replies.waits(self._position(subjects.approved(*held.address)))
        return EventKind.POSITION


def _read(incoming: IncomingMessage) -> tuple[str, UUID]:
    try:
        origin, chat_id = subjects.parse_status(incoming.subject)
    except ValueError as error:
        raise RequestError(
            ErrorCode.INVALID_HEADER, "ask at chat.outcome.<id>, the id a UUID", param=headers.CHAT_ID
        ) from error
    return client_of(origin, incoming), chat_id
