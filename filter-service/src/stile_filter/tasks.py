"""Tasks that are counted, bounded and waited for."""

import asyncio
from collections.abc import Coroutine


class BoundedTasks:
    """Runs coroutines at the same time, no more than ``limit``.

    Args:
        limit: how many.
    """

    def __init__(self, limit: int) -> None:
        self._slots = asyncio.Semaphore(limit)
        self._running: set[asyncio.Task[None]] = set()

    async def start(self, work: Coroutine[None, None, None]) -> None:
        """Start ``work`` as soon as there is room for it."""
        await self._slots.acquire()
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)

    async def wait(self) -> None:
        """Wait until all that was started has ended."""
        while self._running:
            await asyncio.wait(self._running)

    def __len__(self) -> int:
        return len(self._running)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._slots.release()
