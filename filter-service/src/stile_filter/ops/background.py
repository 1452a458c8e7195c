"""Loops that run as long as the service does: one that ends brings the service to its end."""

import asyncio
from collections.abc import Callable, Coroutine

import structlog

from stile_filter.errors import LostLoopError

log = structlog.get_logger()


class Background:
    """Runs the loops.

    Args:
        lost: told as soon as a loop has ended by itself; it stops the service.
    """

    def __init__(self, lost: Callable[[], None]) -> None:
        self._lost = lost
        self._tasks: set[asyncio.Task[None]] = set()
        self._error: LostLoopError | None = None

    def start(self, name: str, loop: Coroutine[None, None, None]) -> None:
        """Run a loop, known by ``name`` in the log."""
        task = asyncio.create_task(loop, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """End all loops."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def check(self) -> None:
        """Tell whether all loops ran until they were stopped.

        Raises:
            LostLoopError: one has ended by itself.
        """
        if self._error:
            raise self._error

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        log.error("loop_lost", loop=task.get_name(), error=type(error).__name__, exc_info=error)
        self._error = self._error or LostLoopError(f"the loop {task.get_name()} has ended by itself")
        self._lost()
