"""What the handlers need of the world around them."""

from enum import StrEnum
from typing import Protocol
from uuid import UUID

from stile_filter.answers import Stored
from stile_filter.chat_queue import Standing
from stile_filter.usher import Ticket


class Approval(StrEnum):
    """What CHAT says to an approved request."""

    STORED = "stored"
    TAKEN = "taken"
    """The request's own place is taken: it waits, or a worker has it."""
    FULL = "full"


class Streams(Protocol):
    """CHAT and CHAT_RESULT. Every method may raise ``UnconfirmedError`` and ``UnavailableError``."""

    async def approve(self, subject: str, body: bytes, message_headers: dict[str, str]) -> Approval:
        """Publish an approved request into CHAT, again where no confirmation comes."""
        ...

    async def waiting(self, client: str, chat_id: UUID) -> Stored | None:
        """Return the approved request of this client and id that CHAT holds, whatever its lane and model."""
        ...

    async def outcome(self, subject: str) -> Stored | None:
        """Return the outcome that CHAT_RESULT holds under ``subject``."""
        ...

    async def settle(self, subject: str, body: bytes, message_headers: dict[str, str]) -> bool:
        """Store an outcome where there is none yet; False where there is one."""
        ...


class Queue(Protocol):
    """Who waits, and for how long: ``usher.Usher``."""

    def claim(self, subject: str, client: str) -> float | None:
        """Take one of a client's places until ``release``; else say in how many seconds to ask again."""
        ...

    def release(self, client: str) -> None:
        """Give back what ``claim`` has taken."""
        ...

    def accepted(self, ticket: Ticket) -> Standing:
        """Take in that CHAT holds a request, and return where it stands."""
        ...

    def standing(self, subject: str) -> Standing:
        """Tell where a request stands."""
        ...

    def retry_after(self) -> float:
        """Return in how many seconds a place in CHAT may be free."""
        ...


class Signer(Protocol):
    """Signs approvals."""

    @property
    def key_id(self) -> str | None:
        """Which key signs now; None where none does."""
        ...

    def sign(self, subject: str, message_headers: dict[str, str], body: bytes) -> dict[str, str]:
        """Return the headers that an approval gets on top of ``message_headers``."""
        ...


class Observer(Protocol):
    """Is told how requests end."""

    def ended(self, outcome: str, seconds: float) -> None:
        """Count a request that ended as ``outcome`` after ``seconds``."""
        ...
