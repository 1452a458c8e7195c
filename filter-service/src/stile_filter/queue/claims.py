"""How much of CHAT one client may take, so that the next one finds room. ``docs/protocol.md``, "Places"."""

import math
from collections import Counter, defaultdict

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
        self._claims: defaultdict[str, Counter[str]] = defaultdict(Counter)
        """By client: how often each of its subjects is being checked."""
        self.room = Room(math.inf, 0)
        """As of the last look into CHAT."""

    def claim(self, subject: str, client: str) -> bool:
        """Take one of a client's places until ``release``, and return whether there was one.

        Args:
            subject: of the request in CHAT; one that waits or is in flight already takes no second place.
            client: whose it is.
        """
        taken = self._view.waiting_of(client) + self._checked(client)
        if subject not in self._view and (taken >= self.most or not self._has_room(taken)):
            return False
        self._claims[client][subject] += 1
        return True

    def release(self, subject: str, client: str) -> None:
        """Give back what ``claim`` has taken: by now the request has its place in CHAT, or none."""
        subjects = self._claims[client]
        subjects[subject] -= 1
        if not subjects[subject]:
            del subjects[subject]
        if not subjects:
            del self._claims[client]

    def _checked(self, client: str) -> int:
        """Return how many requests of a client are being checked, and have no place in CHAT."""
        # A repeat of one that waits is counted as waiting: after a filter's restart each has one.
        return sum(subject not in self._view for subject in self._claims.get(client, ()))

    def _has_room(self, taken: int) -> bool:
        places, filled = self.room
        checked = sum(map(self._checked, self._claims))
        free = min(places - len(self._view) - checked, places * (1 - filled))
        # If none is free, CHAT itself says so, to every client alike.
        return free <= 0 or may_take(taken, free, kept(places))
