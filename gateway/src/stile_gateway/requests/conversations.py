"""What was asked of each stored response, so that its client can read and continue it for an hour."""

import time
from collections import deque
from typing import NamedTuple, Protocol
from uuid import UUID

from stile_gateway.errors import TooLargeError

KEPT_SECONDS = 3600.0
"""As long as CHAT_CONVERSATION keeps one."""
SHARE_BYTES = 8 * 1024 * 1024
"""An eighth of the stream: as much one client may hold."""


class ConversationStore(Protocol):
    """What is needed of the stream. Every method raises ``BusUnavailableError`` if it does not answer."""

    async def create(self, client: str, chat_id: UUID, body: bytes) -> bool:
        """Store a conversation, and tell whether it was; one that is there stays."""

    async def read(self, client: str, chat_id: UUID) -> bytes | None:
        """Return a conversation of ``client``; None if there is none, or it was deleted."""

    async def erase(self, client: str, chat_id: UUID) -> None:
        """Delete a conversation of ``client``."""


class _Kept(NamedTuple):
    until: float
    chat_id: UUID
    size: int


class Conversations:
    """Stores conversations; a client that has more than its share loses its own oldest.

    What a client holds is counted in this gateway alone, from its start on (docs/adr/0044).

    Args:
        store: the stream.
        share_bytes: what one client may hold.
    """

    def __init__(self, store: ConversationStore, share_bytes: int = SHARE_BYTES) -> None:
        self._store = store
        self._share_bytes = share_bytes
        self._kept: dict[str, deque[_Kept]] = {}

    async def keep(self, client: str, chat_id: UUID, body: bytes) -> None:
        """Store what was asked. The same request again, under its key, changes nothing.

        Raises:
            TooLargeError: it is more than a client's share, or than the bus takes.
            BusUnavailableError: it is not stored.
        """
        if len(body) > self._share_bytes:
            raise TooLargeError(
                "The conversation is too large to be stored; send store: false.", param="input"
            )
        for one in self._excess(client, len(body)):
            await self._store.erase(client, one.chat_id)
        if await self._store.create(client, chat_id, body):
            kept = self._kept.setdefault(client, deque())
            kept.append(_Kept(time.monotonic() + KEPT_SECONDS, chat_id, len(body)))

    async def read(self, client: str, chat_id: UUID) -> bytes | None:
        """Return what was asked; None if there is nothing of this client under the id."""
        return await self._store.read(client, chat_id)

    async def erase(self, client: str, chat_id: UUID) -> None:
        """Delete what was asked."""
        await self._store.erase(client, chat_id)
        kept = self._kept.get(client, ())
        self._kept[client] = deque(one for one in kept if one.chat_id != chat_id)

    def _excess(self, client: str, size: int) -> list[_Kept]:
        """Forget what is over, and return what is to go so that ``size`` bytes have room."""
        now = time.monotonic()
        for name in [name for name, kept in self._kept.items() if not kept or kept[-1].until < now]:
            del self._kept[name]
        kept = self._kept.get(client, deque())
        while kept and kept[0].until < now:
            kept.popleft()
        excess, held = [], sum(one.size for one in kept) + size
        while held > self._share_bytes:
            excess.append(kept.popleft())
            held -= excess[-1].size
        return excess
