"""Slots for requests: so many in all, and at most an eighth of them for one client."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from stile_gateway.errors import ClientLimitError, TooManyWaitingError

SHARES = 8
"""One client has at most one of so many shares, so that it takes eight to take all."""
RETRY_SECONDS = 1.0
"""When to come back for a slot: nobody knows when one will be free."""


def share_of(total: int) -> int:
    """Return how many of ``total`` one client may have."""
    return max(1, total // SHARES)


class Slots:
    """Counts requests from their head to the end of their answer.

    Args:
        total: requests at once, of all clients together.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._share = share_of(total)
        self._all = 0
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, client: str) -> Iterator[None]:
        """Hold a slot of ``client``.

        Raises:
            ClientLimitError: the client has its share already.
            TooManyWaitingError: all slots are taken.
        """
        if self._taken[client] >= self._share:
            raise ClientLimitError(
                "Too many requests of this client are open here; try again when one has ended.",
                retry_after=RETRY_SECONDS,
            )
        if self._all >= self._total:
            raise TooManyWaitingError("Too many requests are waiting here.", retry_after=RETRY_SECONDS)
        self._all += 1
        self._taken[client] += 1
        try:
            yield
        finally:
            self._all -= 1
            self._taken[client] -= 1
            if not self._taken[client]:
                del self._taken[client]
