"""What CHAT_RESULT holds: each request's outcome, read as the provisioner may."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from nats.aio.client import Client

_GET = "$JS.API.DIRECT.GET.CHAT_RESULT"


@dataclass(frozen=True)
class Stored:
    """One stored outcome."""

    client: str
    chat_id: UUID
    body: dict[str, Any]

    @property
    def kind(self) -> str:
        """``answer``, ``refusal``, or the error's code."""
        if error := self.body.get("error"):
            return str(error["code"])
        return "refusal" if self.body["refused"] else "answer"


async def stored(provisioner: Client, subject: str = "chat.result.>") -> list[Stored]:
    """Return the outcomes under ``subject``, oldest first; an id that has two comes twice."""
    found: list[Stored] = []
    sequence = 1
    while True:
        asked = json.dumps({"seq": sequence, "next_by_subj": subject}).encode()
        message = await provisioner.request(_GET, asked, timeout=5)
        headers = message.headers or {}
        if headers.get("Status") == "404":
            return found
        *_, client, chat_id = headers["Nats-Subject"].split(".")
        found.append(Stored(client, UUID(chat_id), json.loads(message.data)))
        sequence = int(headers["Nats-Sequence"]) + 1
