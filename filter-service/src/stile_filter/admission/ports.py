"""What the handlers need of the world around them."""

from typing import Protocol

from stile_filter.queue.estimate import QueuePosition
from stile_filter.queue.positions import Subscription


class Queue(Protocol):
    """The requests that wait, and for how long: ``queue.positions.PositionNotifier``."""

    def claim(self, subject: str, client: str) -> float | None:
        """Take one of a client's places until ``release``; else return in how many seconds to try again."""
        ...

    def release(self, client: str) -> None:
        """Give back what ``claim`` has taken."""
        ...

    def accepted(self, request: Subscription) -> QueuePosition:
        """Take in that CHAT holds a request, and return its position."""
        ...

    def position(self, subject: str) -> QueuePosition:
        """Return a request's position."""
        ...

    def retry_after(self) -> float:
        """Return in how many seconds a place in CHAT may be free."""
        ...


class Signer(Protocol):
    """Signs approvals."""

    @property
    def key_id(self) -> str | None:
        """Which key signs now; None if none does."""
        ...

    def sign(self, subject: str, message_headers: dict[str, str], body: bytes) -> dict[str, str]:
        """Return the headers that an approval gets on top of ``message_headers``."""
        ...


class Observer(Protocol):
    """Counts how requests end."""

    def ended(self, outcome: str, seconds: float) -> None:
        """Count a request that ended as ``outcome`` after ``seconds``."""
        ...
