"""A TCP proxy between two parts, to cut what is between them."""

import asyncio
from typing import Self


class Proxy:
    """Forwards to a port on loopback; ``hold`` and ``cut`` are what a network does.

    Args:
        target: the port of who is reached through it.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._passing = asyncio.Event()
        self._passing.set()
        self._refusing = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> Self:
        """Listen; after a cut at the port that it had."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Close everything."""
        self._server.close()
        self._drop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hold(self) -> None:
        """Forward nothing, and say nothing of it: packets are lost until ``mend``, and sent again then."""
        self._passing.clear()

    def cut(self) -> None:
        """Reset every connection and refuse new ones until ``mend``."""
        self._refusing = True
        self._server.close()
        self._drop()

    async def mend(self) -> None:
        """Be a network again."""
        self._passing.set()
        if self._refusing:
            self._refusing = False
            await self.start()

    def _drop(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        try:
            onward = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        ways = ((reader, onward[1]), (onward[0], writer))
        for source, sink in ways:
            task = asyncio.create_task(self._forward(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while data := await reader.read(2**16):
                await self._passing.wait()
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()
