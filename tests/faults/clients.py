"""Clients that insist: each asks one thing after another, under keys, and repeats until it has learned."""

import asyncio
import json
from typing import Any, Protocol

import httpx
import nats.errors
from nats.aio.client import Client

from faults.ledger import Asked, Ledger, Way
from harness.clients.http_client import HttpClient
from stile_contracts import headers, subjects

PATIENCE_SECONDS = 6.0
"""How long a client listens before it asks again under the same key."""
PAUSE_SECONDS = 0.2


class NotYetError(Exception):
    """There is no final word so far; ask again."""


class LoadClient(Protocol):
    """One client."""

    way: Way
    name: str

    async def ask(self, asked: Asked) -> None:
        """Send the request once, and hear it out.

        Raises:
            NotYetError: no final word came of it.
        """
        ...


async def go_on(asker: LoadClient, ledger: Ledger, stop: asyncio.Event) -> None:
    """Ask until ``stop``; then no further request, but the last one is insisted on."""
    while not stop.is_set():
        asked = ledger.ask(asker.way, asker.name)
        while asked.ended is None:
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await asker.ask(asked)
            except (NotYetError, TimeoutError, httpx.TransportError, nats.errors.Error):
                await asyncio.sleep(PAUSE_SECONDS)


def _error(asked: Asked, body: dict[str, Any]) -> None:
    error = body["error"]
    if not error["final"]:
        raise NotYetError(error["code"])
    asked.learn("error", error["code"], error.get("id"))


class WholeLoadClient:
    """Over HTTP, the answer in one piece.

    Args:
        visitor: the client.
    """

    way = Way.HTTP

    def __init__(self, visitor: HttpClient) -> None:
        self.name = subjects.http_client(visitor.address)
        self._http = visitor.http

    async def ask(self, asked: Asked) -> None:
        """See ``LoadClient``."""
        answer = await self._http.post(
            "/chat", json={"prompt": asked.prompt}, headers={"Idempotency-Key": asked.key}
        )
        body = answer.json()
        if answer.status_code != 200:
            _error(asked, body)
        else:
            asked.learn("answer", body["response"], body["id"])


class StreamLoadClient:
    """Over HTTP, as events.

    Args:
        visitor: the client.
        ledger: told of streams that end without a last word.
    """

    way = Way.HTTP

    def __init__(self, visitor: HttpClient, ledger: Ledger) -> None:
        self.name = subjects.http_client(visitor.address)
        self._http = visitor.http
        self._ledger = ledger

    async def ask(self, asked: Asked) -> None:
        """See ``LoadClient``."""
        body = {"prompt": asked.prompt, "stream": True}
        async with self._http.stream(
            "POST", "/chat", json=body, headers={"Idempotency-Key": asked.key}
        ) as answer:
            if answer.status_code != 200:
                _error(asked, json.loads(await answer.aread()))
                return
            event = ""
            asked.streams.append("")
            async for line in answer.aiter_lines():
                field, _, value = line.partition(": ")
                if field == "event":
                    event = value
                elif field == "data" and self._hear(asked, event, json.loads(value)):
                    return
        self._ledger.silent_cuts += 1
        raise NotYetError("the stream ended")

    def _hear(self, asked: Asked, event: str, data: dict[str, Any]) -> bool:
        match event:
            case "queued":
                asked.accept(data["id"])
            case "started":
                asked.streams.append("")
            case "token":
                asked.streams[-1] += data["text"]
            case "done":
                asked.learn("answer", data["response"], data["id"])
            case "error":
                _error(asked, data)
        return event in {"done", "error"}


class DirectLoadClient:
    """Over NATS, from an account of its own.

    Args:
        client: connected as the account ``name``.
        name: the account.
    """

    way = Way.NATS

    def __init__(self, client: Client, name: str) -> None:
        self.name = name
        self._client = client

    async def ask(self, asked: Asked) -> None:
        """See ``LoadClient``."""
        inbox = self._client.new_inbox()
        hearing = await self._client.subscribe(inbox)
        try:
            body = json.dumps({"prompt": asked.prompt}).encode()
            told = {headers.CHAT_KEY: asked.key, headers.CHAT_EVENTS: "state"}
            await self._client.publish("chat.request", body, reply=inbox, headers=told)
            while asked.ended is None:
                message = await hearing.next_msg(timeout=PATIENCE_SECONDS)
                self._hear(asked, (message.headers or {}).get(headers.CHAT_EVENT), message.data)
        finally:
            await hearing.unsubscribe()

    def _hear(self, asked: Asked, event: str | None, data: bytes) -> None:
        match event:
            case None:
                raise NotYetError("nobody listens")
            case "accepted":
                asked.accept(json.loads(data)["id"])
            case "done":
                body = json.loads(data)
                asked.learn("answer", body["response"], body["id"])
            case "error":
                _error(asked, json.loads(data))
