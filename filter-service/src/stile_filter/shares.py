"""How much of something bounded one of several may take. Pure.

Both rules are max-min fair: who has little is never kept out by who has much, and what nobody else asks for
may be taken by whoever is there.
"""

import math
from collections.abc import Iterable


def kept(room: float) -> float:
    """Return how much of a bounded room is for those who have nothing there: an eighth."""
    return room // 8 if room < math.inf else 0


def may_take(own: float, free: float, kept: float) -> bool:
    """Tell whether somebody may take one more, while there is room at all.

    The first one may always be taken. After that nobody may have more than is still free: the dynamic
    threshold of shared buffers (Choudhury and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998). With k
    who take all they can, each ends at 1/(k + 1) of the room.

    Args:
        own: how much it has.
        free: how much nobody has.
        kept: how much of that is for those who have nothing.
    """
    return own <= 0 or own <= free - kept


def level(amounts: Iterable[float], room: float) -> float:
    """Return how much of each amount may stay so that together they fit into ``room``.

    Whoever has less keeps all of it; infinite if they fit as they are.
    """
    left, ascending = room, sorted(amounts)
    for index, amount in enumerate(ascending):
        share = left / (len(ascending) - index)
        if amount > share:
            return share
        left -= amount
    return math.inf
