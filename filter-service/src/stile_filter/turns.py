"""Turns: clients share a few places, and no client waits for all the work of another."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

RECENT = 1_024
"""So many clients' last turns are remembered."""


class Turns:
    """Places that clients take in turn: the next is the waiting client whose last turn is longest ago.

    Args:
        places: how many there are at once.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """Each client's, oldest first."""
        self._last: OrderedDict[str, int] = OrderedDict()
        """When each recent client last began or ended a turn, or came; the longest ago first."""
        self._count = 0

    @property
    def recent(self) -> Collection[str]:
        """The clients whose last turn is remembered, bounded."""
        return self._last.keys()

    @asynccontextmanager
    async def turn(self, client: str, within: float | None = None) -> AsyncIterator[None]:
        """Wait for a place and hold it.

        Args:
            client: the client that waits.
            within: seconds that the wait may take.

        Raises:
            TimeoutError: it took longer.
        """
        async with asyncio.timeout(within):
            await self._take(client)
        try:
            yield
        finally:
            self._note(client)
            self._give()

    async def _take(self, client: str) -> None:
        if self._free and not self._waiting:
            self._free -= 1
            self._note(client)
            return
        if client not in self._last:
            self._note(client)  # after the clients that wait already
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():
                self._give()  # the place came at the same moment
            raise

    def _give(self) -> None:
        while self._waiting:
            # Not the first one in a line: a client that sends its next request after each turn would always
            # come after a client with many requests that wait.
            client = min(self._waiting, key=self._last.__getitem__)
            line = self._waiting[client]
            next_one = line.popleft()
            if not line:
                del self._waiting[client]
            if not next_one.done():
                self._note(client)
                next_one.set_result(None)
                return
        self._free += 1

    def _note(self, client: str) -> None:
        """Put the client behind all others, and forget the oldest ones that do not wait."""
        self._count += 1
        self._last[client] = self._count
        self._last.move_to_end(client)
        while len(self._last) > RECENT and (oldest := next(iter(self._last))) not in self._waiting:
            del self._last[oldest]
