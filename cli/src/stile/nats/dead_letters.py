"""The requests that were given up, as CHAT_DLQ keeps them: whole, for seven days."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg
from nats.js.errors import APIError, NotFoundError
from pydantic import ValidationError

from stile.errors import DeadLetterError
from stile_contracts import headers, subjects
from stile_contracts.messages import OWNERS_END, ApprovedChat, Role


@dataclass(frozen=True)
class DeadLetter:
    """A request that was given up."""

    id: UUID
    lane: str
    client: str
    reason: str
    """An ``ErrorCode``."""
    at: datetime
    """When it was given up, UTC."""
    attempts: int
    """How often it was delivered."""
    policy: str
    """The version of the policy that had approved it."""
    body: bytes
    """The ``ApprovedChat``."""
    seq: int
    """Its number in CHAT_DLQ."""

    def facts(self) -> dict[str, str | int]:
        """Return all that is known of it but its text."""
        return {
            "id": str(self.id),
            "at": self.at.isoformat(timespec="seconds"),
            "reason": self.reason,
            "attempts": self.attempts,
            "client": self.client,
            "lane": self.lane,
            "policy": self.policy,
            "bytes": len(self.body),
        }

    def chat(self) -> ApprovedChat:
        """Read the conversation.

        Raises:
            DeadLetterError: it holds none.
        """
        try:
            return ApprovedChat.model_validate_json(self.body)
        except ValidationError as error:
            raise DeadLetterError(f"{self.id} holds no conversation that can be read") from error

    def request(self, *, keep_system: bool) -> dict[str, Any]:
        """Make the request that asks for the same again.

        Args:
            keep_system: whether a first ``system`` message is the client's own; otherwise what
                the policy has put before it, which the filter adds again, is left out.

        Raises:
            DeadLetterError: it can't be read, or there is nothing left to send.
        """
        chat = self.chat()
        first, *others = chat.messages
        messages = chat.messages
        if first.role is Role.SYSTEM and not keep_system:
            _, _, clients = (first.content or "").partition(OWNERS_END)
            messages = [first.model_copy(update={"content": clients}), *others] if clients else others
        if not messages:
            raise DeadLetterError(f"{self.id} holds nothing but a system message")
        again: dict[str, Any] = {
            "messages": [message.model_dump(mode="json", exclude_none=True) for message in messages]
        }
        for part in (chat.sampling, chat.output):
            again |= part.model_dump(mode="json", exclude_none=True)
        return again | ({"model": chat.model} if chat.model else {})


class DeadLetters:
    """CHAT_DLQ, as the provisioner sees it.

    Args:
        js: its JetStream.
    """

    def __init__(self, js: JetStreamContext) -> None:
        self._js = js

    async def all(self) -> AsyncIterator[DeadLetter]:
        """Yield every dead letter, the oldest first.

        Raises:
            DeadLetterError: the stream can't be read.
        """
        seq = 1
        while message := await self._next(subjects.DEAD, seq):
            letter = _read(message)
            yield letter
            seq = letter.seq + 1

    async def find(self, chat_id: UUID) -> DeadLetter:
        """Look one up.

        Raises:
            DeadLetterError: there is none of that id.
        """
        message = await self._next(f"chat.dead.*.*.{chat_id}", 1)
        if message is None:
            raise DeadLetterError(f"no dead letter {chat_id}: `stile dlq list` lists them")
        return _read(message)

    async def drop(self, letter: DeadLetter) -> None:
        """Delete one.

        Raises:
            DeadLetterError: nats-server refuses it.
        """
        try:
            await self._js.delete_msg(subjects.DEAD_STREAM, letter.seq)
        except APIError as error:
            raise DeadLetterError(f"{letter.id} can't be deleted: {error.description}") from error

    async def _next(self, subject: str, seq: int) -> RawStreamMsg | None:
        try:
            return await self._js.get_msg(subjects.DEAD_STREAM, seq=seq, subject=subject, next=True)
        except NotFoundError:
            return None
        except APIError as error:
            raise DeadLetterError(f"{subjects.DEAD_STREAM} can't be read: {error.description}") from error


def _read(message: RawStreamMsg) -> DeadLetter:
    address, given = subjects.parse_dead(message.subject or ""), message.headers or {}
    return DeadLetter(
        id=address.id,
        lane=address.lane,
        client=address.client,
        reason=given.get(headers.CHAT_DEAD_REASON, "unknown"),
        at=datetime.fromtimestamp(int(given.get(headers.CHAT_DEAD_AT, 0)) / 1000, UTC),
        attempts=int(given.get(headers.CHAT_ATTEMPT, 0)),
        policy=given.get(headers.CHAT_POLICY, ""),
        body=message.data or b"",
        seq=message.seq or 0,
    )
