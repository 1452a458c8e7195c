"""How much of CHAT one client may take, so that the next one finds room. ``docs/protocol.md``, "Places"."""

import math
from collections import Counter

from stile_filter.queue.view import ChatView
from stile_filter.shares import kept, may_take
from stile_filter.store import Room


class Claims:
    """Counts the requests that are being checked here, each of which may take a place in CHAT.

    Args:
        view: what is known of CHAT.
        most: how many of one client's requests may wait, those that are being checked here included.
    """

    def __init__(self, view: ChatView, most: int) -> None:
        self._view = view
        self.most = most
        """Of one client's requests."""
        self._claims: Counter[str] = Counter()
        self.room = Room(math.inf, 0)
        """As of the last look into CHAT."""

    def claim(self, subject: str, client: str) -> bool:
        """Take one of a client's places until ``release``, and return whether there was one.

        Args:
            subject: of the request in CHAT; one that waits or is in flight already takes no second place.
            client: whose it is.
        """
        taken = self._view.waiting_of(client) + self._claims[client]
        if subject not in self._view and (taken >= self.most or not self._has_room(taken)):
            return False
        self._claims[client] += 1
        return True

    def release(self, client: str) -> None:
        """Give back what ``claim`` has taken: by now the request has its place in CHAT, or none."""
        self._claims[client] -= 1
        if not self._claims[client]:
            del self._claims[client]

    def _has_room(self, taken: int) -> bool:
        places, filled = self.room
        free = min(places - len(self._view) - self._claims.total(), places * (1 - filled))
        # If none is free, CHAT itself says so, to every client alike.
        return free <= 0 or may_take(taken, free, kept(places))
