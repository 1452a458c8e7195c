"""What the gateway has a limited number of: a total, and at most an eighth of it for one client."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from stile_gateway.errors import ClientLimitError, TooManyWaitingError

SHARES = 8
"""One client has at most one of so many shares: it takes eight clients to take all."""
RETRY_SECONDS = 1.0
"""When to ask for a slot again; it is not known when one will be free."""


def share_of(total: int) -> int:
    """Return how many of ``total`` one client may have."""
    return max(1, total // SHARES)


class Slots:
    """Counts what clients have: requests, from their head to the end of their answer, or bytes of bodies.

    Args:
        total: of all clients together.
        share: of one client; an eighth of ``total`` if it is not given.
        what: what is counted, as the error says it.
    """

    def __init__(self, total: int, share: int | None = None, what: str = "requests") -> None:
        self._total = total
        self._share = share_of(total) if share is None else share
        self._what = what
        self._taken: Counter[str] = Counter()

    def take(self, client: str, amount: int = 1) -> None:
        """Count ``amount`` more for ``client``.

        Raises:
            ClientLimitError: the client would have more than its share.
            TooManyWaitingError: there would be more than there may be in all.
        """
        if self._taken[client] + amount > self._share:
            raise ClientLimitError(
                f"Too many {self._what} of this client are open here; try again when one has ended.",
                retry_after=RETRY_SECONDS,
            )
        if self._taken.total() + amount > self._total:
            raise TooManyWaitingError(f"Too many {self._what} are waiting here.", retry_after=RETRY_SECONDS)
        self._taken[client] += amount

    def give(self, client: str, amount: int = 1) -> None:
        """Count ``amount`` less for ``client``."""
        self._taken[client] -= amount
        if not self._taken[client]:
            del self._taken[client]

    @contextmanager
    def taken(self, client: str) -> Iterator[None]:
        """Hold one of ``client``.

        Raises:
            ClientLimitError: the client has its share already.
            TooManyWaitingError: all are taken.
        """
        self.take(client)
        try:
            yield
        finally:
            self.give(client)
