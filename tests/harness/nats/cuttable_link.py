"""A network link that can be cut: a TCP proxy on loopback."""

import asyncio
import contextlib
from typing import Self


class CuttableLink:
    """Carries connections to ``port``; while it is cut, those that stand break and none is taken.

    Args:
        port: on loopback, where the connections go.
    """

    def __init__(self, port: int) -> None:
        self.port = 0
        self._to = port
        self._server: asyncio.Server | None = None
        self._carried: set[asyncio.StreamWriter] = set()

    async def mend(self) -> Self:
        """Carry connections (again), always at the same port."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def cut(self) -> None:
        """Break every connection, and take none."""
        if self._server:
            self._server.close()
        for writer in self._carried:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, onward = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        self._carried |= {writer, onward}
        await asyncio.gather(_copy(reader, onward), _copy(there, writer))
        self._carried -= {writer, onward}


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()
