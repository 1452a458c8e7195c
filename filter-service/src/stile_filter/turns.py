"""Turns: clients share a few places, and none waits behind all the work of another."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Places that are taken in turn, one client after the other.

    Args:
        places: how many are taken at once.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """Each client's, oldest first; the client whose turn is next stands first."""

    @asynccontextmanager
    async def turn(self, client: str, within: float | None = None) -> AsyncIterator[None]:
        """Wait for a place and hold it.

        Args:
            client: whose turn it is.
            within: seconds that the wait may take.

        Raises:
            TimeoutError: it took longer.
        """
        async with asyncio.timeout(within):
            await self._take(client)
        try:
            yield
        finally:
            self._give()

    async def _take(self, client: str) -> None:
        if self._free and not self._waiting:
            self._free -= 1
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():
                self._give()  # it came at the same moment
            raise

    def _give(self) -> None:
        while self._waiting:
            client = next(iter(self._waiting))
            line = self._waiting.pop(client)
            next_one = line.popleft()
            if line:
                self._waiting[client] = line  # behind the others
            if not next_one.done():
                next_one.set_result(None)
                return
        self._free += 1
