"""What the filter needs of the streams, and what it gets from them."""

from collections.abc import AsyncIterator, Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol
from uuid import UUID

from stile_contracts import subjects
from stile_contracts.subjects import RequestAddress

RequestId = tuple[str, UUID]
"""A client, and the id of its request."""


class StoredMessage(NamedTuple):
    """A message that a stream holds."""

    headers: Mapping[str, str]
    body: bytes
    subject: str = ""
    seq: int = 0
    """Its number in the stream; 0 if it is not read from a stream."""

    @property
    def address(self) -> RequestAddress:
        """Which request it is, if CHAT holds it.

        Raises:
            ValueError: its subject is not that of an approved request.
        """
        return subjects.parse_approved(self.subject)


class Approval(StrEnum):
    """What CHAT answers to an approved request."""

    STORED = "stored"
    TAKEN = "taken"
    """CHAT holds the request already: it waits, or a worker has it."""
    FULL = "full"


class Room(NamedTuple):
    """How much CHAT may hold, and how full it is."""

    places: float
    """Requests; infinite if it has no such limit."""
    filled: float
    """The part of its bytes that is taken, 0 to 1."""


class ChatLook(NamedTuple):
    """What CHAT held at one moment."""

    subjects: list[str]
    """Of all approved requests that have no result yet; and ``subjects.HOLD`` if the queue is on hold."""
    room: Room
    at: float
    """When, in seconds since the Unix epoch, by nats-server's clock."""


class UndeliverableMessage(NamedTuple):
    """A message that CHAT holds and delivers no more."""

    seq: int
    """Its number in CHAT."""
    deliveries: int
    """How often it was delivered."""


class ResultRecord(NamedTuple):
    """What is known of a stored result without reading its body."""

    owner: RequestId
    seq: int
    """Its number in CHAT_RESULT."""
    size: int
    """Bytes that it takes, about."""
    stored: float
    """When it was stored: seconds since the Unix epoch, by the server's clock."""


class ResultRoom(NamedTuple):
    """How full CHAT_RESULT is."""

    size: int
    """Bytes that it holds."""
    most: float
    """Bytes that it may hold; infinite if it has no limit."""
    now: float
    """The time, as in ``ResultRecord.stored``."""


class Store(Protocol):
    """The streams.

    Every method may raise ``UnconfirmedError`` (no answer came; a write may be done) and ``UnavailableError``
    (it was not done, or can't be known).
    """

    async def approve(self, subject: str, body: bytes, message_headers: dict[str, str]) -> Approval:
        """Publish an approved request into CHAT.

        Raises:
            RequestError: it is larger than the bus carries.
        """
        ...

    async def waiting(self, client: str, chat_id: UUID) -> StoredMessage | None:
        """Return the approved request of this client and id that CHAT holds, of any lane and model."""
        ...

    async def at(self, seq: int) -> StoredMessage | None:
        """Return the message of CHAT with this number."""
        ...

    async def is_delivered(self, request: StoredMessage) -> bool:
        """Tell whether a worker has received a request that CHAT holds."""
        ...

    async def remove(self, seq: int) -> bool:
        """Take a message out of CHAT; False if it is there no more."""
        ...

    async def look(self) -> ChatLook:
        """Return what CHAT holds now."""
        ...

    async def hold(self) -> bool:
        """Put the queue on hold; False if CHAT has no room for that. It may be on hold already."""
        ...

    async def resume(self) -> None:
        """End the hold, if there is one."""
        ...

    async def given_up(self) -> list[UndeliverableMessage]:
        """Return what CHAT holds and delivers no more."""
        ...

    async def result(self, client: str, chat_id: UUID) -> StoredMessage | None:
        """Return the result of a request."""
        ...

    async def store_result(
        self, client: str, chat_id: UUID, body: bytes, message_headers: dict[str, str]
    ) -> bool:
        """Store the result of a request if it has none; False if it has one."""
        ...

    async def store_dead_letter(
        self, address: RequestAddress, body: bytes, message_headers: dict[str, str]
    ) -> bool:
        """Store a request that was given up in CHAT_DLQ; False if it is there already.

        Raises:
            RequestError: it is larger than the bus carries.
        """
        ...

    async def result_room(self) -> ResultRoom:
        """Return how full CHAT_RESULT is."""
        ...

    def result_records(self) -> AsyncIterator[ResultRecord]:
        """Give a record of every result, the oldest first."""
        ...

    async def purge_results(self, client: str, before: int) -> None:
        """Remove those of a client's results whose numbers are less than ``before``."""
        ...

    async def remember(self, client: str, tag: str) -> None:
        """Store that a client has received an answer with this hash."""
        ...

    async def remembers(self, client: str, tag: str) -> bool:
        """Tell whether it is stored that a client has received an answer with this hash."""
        ...

    async def notify(self, subject: str) -> None:
        """Publish an event without a body."""
        ...
