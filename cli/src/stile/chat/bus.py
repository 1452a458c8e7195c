"""Asking over NATS, as a direct client (docs/protocol.md, "What the requester receives")."""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncGenerator, Generator
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from stile.chat import events
from stile.chat.events import Done, Event, Queued
from stile.errors import BusError, RequestError
from stile.nats import connection
from stile_contracts import headers
from stile_runtime.login import Login

INBOX = "_INBOX"
"""Where a direct client may listen."""
_REPEAT_SECONDS = 5.0
"""Without a word, the request is sent again, under the same key."""
_GIVE_UP_SECONDS = 30.0
_LOOK_SECONDS = 1.0
"""Between two looks whether the connection is still there."""


class Bus:
    """nats-server, as one of its direct clients.

    Args:
        login: where, and as which client.
    """

    def __init__(self, login: Login) -> None:
        self._login = login

    def stream(self, request: dict[str, Any]) -> Generator[Event]:
        """Send a request and yield what is heard of it; ``Done`` is the last.

        If the iterator is closed before that, the request is cancelled.

        Raises:
            BusError: there is no bus, or it does not let the client in.
            RequestError: nothing answers, or the answer is an error.
        """
        with asyncio.Runner() as runner:
            heard = self._stream(request)
            try:
                while (event := runner.run(anext(heard, None))) is not None:
                    yield event
            finally:
                runner.run(heard.aclose())

    def models(self) -> list[str]:
        """Raise: a direct client can't ask for them.

        Raises:
            RequestError: always.
        """
        raise RequestError("over NATS the models cannot be listed: a name is tried when you ask")

    async def _stream(self, request: dict[str, Any]) -> AsyncGenerator[Event]:
        async with connection.connect(self._login) as client:
            chat_id: str | None = None
            is_done = False
            try:
                async for event in self._events(client, request):
                    chat_id = event.id if isinstance(event, Queued) else chat_id
                    is_done = isinstance(event, Done)
                    yield event
                    if is_done:
                        return
            finally:
                if chat_id and not is_done:
                    with contextlib.suppress(nats.errors.Error):
                        await client.publish(f"chat.cancel.{chat_id}", reply=client.new_inbox())
                        await client.flush(timeout=2)

    async def _events(self, client: Client, request: dict[str, Any]) -> AsyncGenerator[Event]:
        inbox = client.new_inbox()
        replies = await client.subscribe(inbox)
        body = json.dumps({**request, "stream": True}).encode()
        key = {headers.CHAT_KEY: uuid.uuid4().hex}
        attempt = 0
        message = await self._first(client, replies, body, inbox, key)
        while True:
            said = message.headers or {}
            this = int(said.get(headers.CHAT_ATTEMPT) or 0)
            if message.data and this >= attempt:
                attempt = this
                if event := events.read(*_event(message)):
                    yield event
            message = await self._next(client, replies)

    async def _first(
        self, client: Client, replies: Subscription, body: bytes, inbox: str, key: dict[str, str]
    ) -> Msg:
        """Send the request until something is heard of it: core NATS keeps nothing."""
        end = time.monotonic() + _GIVE_UP_SECONDS
        try:
            while time.monotonic() < end:
                await client.publish("chat.request", body, reply=inbox, headers=key)
                with contextlib.suppress(nats.errors.TimeoutError):
                    message = await replies.next_msg(timeout=_REPEAT_SECONDS)
                    if not _is_from_nobody(message):
                        return message
                    await asyncio.sleep(_LOOK_SECONDS)
        except nats.errors.MaxPayloadError as error:
            raise RequestError("the request is larger than the bus takes: shorten it") from error
        except nats.errors.Error as error:
            raise self._lost(error) from error
        raise RequestError("no filter answers on the bus: `stile status` shows the parts")

    async def _next(self, client: Client, replies: Subscription) -> Msg:
        while True:
            if client.is_closed:
                raise BusError(f"the connection to {self._login.url} was lost")
            try:
                message = await replies.next_msg(timeout=_LOOK_SECONDS)
            except nats.errors.TimeoutError:
                continue
            except nats.errors.Error as error:
                raise self._lost(error) from error
            if _code(message) != "in_progress":  # the receipt of a repeat: the first one is answered
                return message

    def _lost(self, error: nats.errors.Error) -> BusError:
        return BusError(f"the connection to {self._login.url} was lost: {error}")


def _event(message: Msg) -> tuple[str, object]:
    """Return the name and the JSON of what a message says."""
    said = message.headers or {}
    try:
        data = json.loads(message.data)
    except ValueError as error:
        raise RequestError("no answer: a message came that is not JSON") from error
    if _code(message):
        return "error", data
    return said.get(headers.CHAT_EVENT) or "done", data


def _code(message: Msg) -> str | None:
    if "Nats-Service-Error-Code" not in (message.headers or {}):
        return None
    with contextlib.suppress(ValueError):
        body = json.loads(message.data)
        if isinstance(body, dict) and isinstance(body.get("error"), dict):
            return str(body["error"].get("code"))
    return "error"


def _is_from_nobody(message: Msg) -> bool:
    return (message.headers or {}).get("Status") == "503"
