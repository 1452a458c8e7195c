"""Noticing that an HTTP client went away while it waits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import Receive


class ClientGoneError(Exception):
    """Nobody is there to be answered; it ends the wait quietly and is no error of the tree."""


@asynccontextmanager
async def unless_gone(receive: Receive) -> AsyncIterator[None]:
    """Cancel what is inside when the client goes away, as ``asyncio.timeout`` does at its time.

    Args:
        receive: the request's; its body must have been read.

    Raises:
        ClientGoneError: the client went away.
    """
    task = asyncio.current_task()
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        if task is not None:
            gone = True
            task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError as error:
        if gone and task is not None and task.uncancel() == 0:
            raise ClientGoneError from error
        raise
    finally:
        watcher.cancel()
