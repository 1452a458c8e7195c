"""Waiting for a condition with a deadline, in place of sleeping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(condition: Callable[[], T | Awaitable[T]], *, within: float = 30.0, what: str = "") -> T:
    """Return ``condition()`` as soon as it is true.

    Args:
        condition: asked every 20 ms; may be a coroutine function.
        within: seconds to wait at the most.
        what: what is waited for, for the message.

    Raises:
        TimeoutError: it did not become true in time.
    """
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within} s: {what or condition}")
        await asyncio.sleep(0.02)
