"""The port to the bus; ``bus`` is the adapter, a test's is in memory."""

from contextlib import AbstractContextManager
from typing import Protocol
from uuid import UUID

from stile_gateway.inbox import Inbox

REPEAT_SECONDS = 2.0
"""Between two publishes of what nothing was heard of."""
NO_RESPONDERS_SECONDS = 0.25
"""The same where nobody listened: a filter that starts again is found soon."""


class Bus(Protocol):
    """What the use cases need of the bus."""

    def inbox(self, name: str, about: UUID | None = None) -> AbstractContextManager[Inbox]:
        """Open the place where the replies to ``name`` arrive; left, it is forgotten.

        It is told when the request ``about`` is settled.
        """

    async def publish(self, inbox: Inbox, body: bytes, headers: dict[str, str]) -> None:
        """Publish a request whose replies go to ``inbox``.

        Raises:
            BusUnavailableError: it was surely not sent.
            TooLargeError: the bus takes no message of this size.
            InternalError: it could not be sent for another reason.
        """

    async def cancel(self, client: str, chat_id: UUID, inbox: Inbox | None = None) -> None:
        """Publish that ``client`` wants its request ``chat_id`` no more; the receipt goes to ``inbox``.

        Raises:
            BusUnavailableError: it was surely not sent.
            InternalError: it could not be sent for another reason.
        """

    async def is_heard_elsewhere(self, client: str, chat_id: UUID) -> bool:
        """Ask the other gateways whether somebody waits there for ``client``'s request; takes a second.

        Raises:
            BusUnavailableError: they can't be asked.
            InternalError: it could not be sent for another reason.
        """

    async def look_up(self, client: str, chat_id: UUID, inbox: Inbox) -> None:
        """Ask what became of ``client``'s request ``chat_id``; ``inbox`` gets it as ``Found``.

        Raises:
            BusUnavailableError: it was surely not sent.
            InternalError: it could not be sent for another reason.
        """
