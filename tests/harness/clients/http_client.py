"""HTTP clients that the gateway tells apart: each comes from a loopback address of its own (Linux)."""

import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple, Self

import httpx

from harness.processes import plain_http


class Event(NamedTuple):
    """A named event of ``POST /chat``."""

    name: str
    data: dict[str, Any]


class HttpClient:
    """A client, known to Stile as ``http-127-0-…`` of its own.

    Args:
        url: the server's.
        number: from 0; the address is made of it.
    """

    def __init__(self, url: str, number: int) -> None:
        self.address = f"127.0.{1 + number // 250}.{1 + number % 250}"
        transport = httpx.AsyncHTTPTransport(local_address=self.address, verify=plain_http.CONTEXT)
        self.http = httpx.AsyncClient(base_url=url, transport=transport, timeout=600, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def events(self, prompt: str, **fields: Any) -> AsyncIterator[Event]:
        """Ask, and yield each event; leaving the loop early goes away as a closed tab does.

        Close it (``aclosing``) where the loop may be left: the connection closes with it.
        """
        body = {"prompt": prompt, "stream": True, **fields}
        async with self.http.stream("POST", "/chat", json=body) as answer:
            if answer.status_code != 200:
                await answer.aread()
                answer.raise_for_status()
            name = ""
            async for line in answer.aiter_lines():
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    yield Event(name, json.loads(value))
