"""The stored conversations, in the stream CHAT_CONVERSATION."""

import base64
import json
from typing import Any
from uuid import UUID

from stile_contracts import subjects
from stile_gateway.bus import NatsBus
from stile_gateway.errors import BusUnavailableError, InternalError

_CREATE_ONLY = {"Nats-Expected-Last-Subject-Sequence": "0"}
_THERE_IS_ONE = {10071, 10164}
_NO_MESSAGE = 10037


class NatsConversations:
    """The port ``requests.conversations.ConversationStore`` on the bus."""

    def __init__(self, bus: NatsBus) -> None:
        self._bus = bus

    async def create(self, client: str, chat_id: UUID, body: bytes) -> bool:
        """Store a conversation, unless there is one; as the port."""
        error = await self._write(client, chat_id, body, _CREATE_ONLY)
        if error and error.get("err_code") not in _THERE_IS_ONE:
            raise BusUnavailableError("The conversation could not be stored; try again.", retry_after=1)
        return not error

    async def read(self, client: str, chat_id: UUID) -> bytes | None:
        """Return a conversation; as the port."""
        wanted = json.dumps({"last_by_subj": subjects.conversation(client, chat_id)}).encode()
        # From the stream's leader, which has what was just written (docs/adr/0010).
        reply = _parse(await self._bus.stream_reply(subjects.RECALL, wanted))
        if error := reply.get("error"):
            if error.get("err_code") == _NO_MESSAGE:
                return None
            raise BusUnavailableError("The conversation could not be read; try again.", retry_after=1)
        return base64.b64decode(reply["message"].get("data", "")) or None

    async def erase(self, client: str, chat_id: UUID) -> None:
        """Put an empty message in its place: the stream keeps one for each subject; as the port."""
        if await self._write(client, chat_id, b"", {}):
            raise BusUnavailableError("The conversation could not be deleted; try again.", retry_after=1)

    async def _write(
        self, client: str, chat_id: UUID, body: bytes, headers: dict[str, str]
    ) -> dict[str, Any] | None:
        """Return the stream's error, if there is one."""
        subject = subjects.conversation(client, chat_id)
        error: dict[str, Any] | None = _parse(await self._bus.stream_reply(subject, body, headers)).get(
            "error"
        )
        return error


def _parse(reply: bytes) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = json.loads(reply)
    except ValueError as error:
        raise InternalError("The reply of the stream could not be read.") from error
    return parsed
