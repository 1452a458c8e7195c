"""The port to the bus. ``bus`` is its adapter; tests have one in memory."""

from contextlib import AbstractContextManager
from typing import Protocol
from uuid import UUID

from stile_gateway.requests.events import Inbox, ReplyMessage, StatusReply


class Bus(Protocol):
    """What the use cases need of the bus.

    Every method but ``inbox`` raises ``BusUnavailableError`` if there is no connection (then nothing was
    sent, nor will be later), and ``InternalError`` if the message could not be sent for another reason.
    """

    def inbox(self, name: str, about: UUID) -> AbstractContextManager[Inbox]:
        """Open the inbox ``name``, one token of a subject; it is closed at the end of the block.

        It is signalled when the request ``about`` has finished, and when the connection is back.
        """

    async def publish(self, inbox: Inbox, body: bytes, headers: dict[str, str]) -> None:
        """Publish a request whose replies go to ``inbox``.

        Raises:
            TooLargeError: the bus takes no message of this size.
        """

    async def status(self, client: str, chat_id: UUID, within: float) -> StatusReply:
        """Ask for the status of ``client``'s request ``chat_id``, and wait so many seconds for the reply.

        Raises:
            NoFilterError: no filter is there.
            AcceptTimeoutError: none has replied in time.
        """

    async def follow(self, inbox: Inbox, client: str, chat_id: UUID) -> None:
        """Have the worker that runs ``client``'s request send its events to ``inbox`` too, from the first on.

        Nothing happens if none runs it now, or if they go there already.
        """

    async def cancel(self, client: str, chat_id: UUID) -> None:
        """Publish that ``client`` does not want its request ``chat_id`` any more."""

    async def cancel_receipt(self, client: str, chat_id: UUID, within: float) -> ReplyMessage:
        """Do the same, and wait so many seconds for the receipt.

        Raises:
            NoFilterError: no filter is there.
            AcceptTimeoutError: none has replied in time.
        """

    async def is_attended_elsewhere(self, client: str, chat_id: UUID) -> bool:
        """Ask the other gateways whether a client waits there for the request; takes a second."""
