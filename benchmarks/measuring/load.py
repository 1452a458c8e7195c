"""A load generator: keep-alive HTTP/1.1 clients on bare asyncio streams.

The load generator shares the machine with the measured system, so it does as little as possible: it
reads status and length, checks the status, and discards the body.
"""

import asyncio
import statistics
import time
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

_LAST_CHUNK = b"\r\n0\r\n\r\n"
"""The end of a streamed answer; no event of ours holds it."""


class LoadError(Exception):
    """The server did not answer with 200, so the measurement is useless."""


@dataclass(frozen=True)
class Latencies:
    """The times of one run's answers, in milliseconds, and the run's length, in seconds."""

    milliseconds: list[float]
    seconds: float

    @property
    def p50(self) -> float:
        """The median, in milliseconds."""
        return statistics.median(self.milliseconds)

    @property
    def p99(self) -> float:
        """The 99th percentile, in milliseconds."""
        return statistics.quantiles(self.milliseconds, n=100)[98]

    @property
    def rate(self) -> float:
        """Answers in a second."""
        return len(self.milliseconds) / self.seconds

    def __add__(self, other: Self) -> "Latencies":
        """Combine two runs."""
        return Latencies(self.milliseconds + other.milliseconds, self.seconds + other.seconds)


class Connection:
    """One client, one request at a time, over one connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._path = parts.path
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, body: bytes) -> None:
        """Send ``body`` as JSON and read the answer to its end.

        Raises:
            LoadError: the status is not 200.
        """
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address, limit=2**22)
        reader, writer = self._streams
        head = (
            f"POST {self._path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = answer.partition("content-length: ")[2].partition("\r\n")[0]
        is_chunked = "transfer-encoding: chunked" in answer
        if length:
            content = await reader.readexactly(int(length))
        else:
            content = await (reader.readuntil(_LAST_CHUNK) if is_chunked else reader.read())
        if " 200 " not in answer[:16]:
            raise LoadError(f"{answer.splitlines()[0]}: {content[:300]!r}")
        if not (length or is_chunked) or "connection: close" in answer:
            self.close()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._streams:
            self._streams[1].close()
            self._streams = None


async def run(url: str, body: bytes, *, clients: int, seconds: float) -> Latencies:
    """Let ``clients`` send requests to ``url``, each one after the other, for ``seconds``.

    Raises:
        LoadError: an answer was not 200.
    """
    taken: list[float] = []
    begin = time.perf_counter()
    end = begin + seconds

    async def ask() -> None:
        connection = Connection(url)
        while (start := time.perf_counter()) < end:
            await connection.post(body)
            taken.append((time.perf_counter() - start) * 1000)
        connection.close()

    await asyncio.gather(*(ask() for _ in range(clients)))
    return Latencies(taken, time.perf_counter() - begin)
