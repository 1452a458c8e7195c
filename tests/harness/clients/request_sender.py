"""Who asks as the gateway does, straight on the bus, and keeps what it hears."""

import json
import time
from typing import Any, Self

from nats.aio.client import Client
from nats.aio.msg import Msg

from harness.processes.wait import until

REPLIES = "_INBOX_gateway.test"


def chat_id(number: int) -> str:
    """Make the id of the request that a test calls by ``number``."""
    return f"0190a5d0-0000-7000-8000-{number:012}"


class RequestSender:
    """Asks requests by their numbers, and keeps what it hears of each.

    Args:
        client: connected as ``gateway``.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.heard: dict[str, list[Msg]] = {}

    async def listen(self) -> Self:
        """Begin to hear answers."""

        async def hear(message: Msg) -> None:
            self.heard.setdefault(message.subject.rpartition(".")[2], []).append(message)

        await self.client.subscribe(f"{REPLIES}.*", cb=hear)
        return self

    async def ask(self, number: int, body: dict[str, Any], **changed: str) -> None:
        """Ask the request ``number``; further headers are given with ``_`` for ``-``."""
        headers = {
            "Chat-Id": chat_id(number),
            "Chat-Client": "http-test",
            "Chat-Deadline": str(int(time.time() * 1000) + 60_000),
            "Chat-Events": "state",
            **{name.replace("_", "-"): value for name, value in changed.items()},
        }
        await self.client.publish(
            "chat.request.gateway", json.dumps(body).encode(), reply=f"{REPLIES}.{number}", headers=headers
        )

    async def answer(self, number: int, count: int = 1, within: float = 30) -> list[Msg]:
        """Return all that was heard of ``number`` once it is ``count`` messages."""
        return await until(
            lambda: len(self.heard.get(str(number), [])) >= count and self.heard[str(number)],
            within=within,
            what=f"{count} answers to {number}",
        )

    def places(self, number: int) -> list[int | None]:
        """Return every place that ``number`` was told, the one of ``accepted`` first."""
        told = [message for message in self.heard.get(str(number), []) if _is_place(message)]
        return [json.loads(message.data).get("position") for message in told]


def _is_place(message: Msg) -> bool:
    return (message.headers or {}).get("Chat-Event") in {"accepted", "position"}
