"""Whose turn it is, as the workers count it: ``rust-consumer/src/fair`` holds the same. Pure.

Lanes take turns 3:1; within a lane the client that was served longest ago is next (DESIGN, decision 13).
"""

from collections import OrderedDict
from typing import NamedTuple

from stile_contracts.subjects import Lane

INTERACTIVE_SHARE = 3
"""So many interactive requests are begun for one of the batch lane, while both have work."""

_REMEMBERED_STARTS = 256
"""A job that is given to a second worker is told a second time: so many are remembered to be counted once."""

_REMEMBERED_LINES = 4096
"""Past so many clients those served longest ago are forgotten: forgotten or not, they are next."""


class Line(NamedTuple):
    """A client's requests of one lane."""

    lane: Lane
    client: str


Turn = tuple[int, str, str]
"""Lines of a lane in this order are served in this order: when it was served last (0: never), the least id of
those that wait, the client."""


class Turns:
    """Who was served when, as far as this process has heard."""

    def __init__(self) -> None:
        self._served: OrderedDict[Line, int] = OrderedDict()
        self._starts = 0
        self._interactive = 0
        self._recent: OrderedDict[str, None] = OrderedDict()

    @property
    def before_batch(self) -> int:
        """How many interactive requests are begun before the batch lane is next, while both have work."""
        return max(0, INTERACTIVE_SHARE - self._interactive)

    def started(self, line: Line, request: str, *, ours: bool = True) -> None:
        """Count that a worker has taken up ``request``, which names it uniquely.

        Args:
            line: whose turn it was.
            request: its subject.
            ours: whether it was one of the workers whose order this is; the lanes' share counts those alone.
        """
        if request in self._recent:
            return
        self._recent[request] = None
        if len(self._recent) > _REMEMBERED_STARTS:
            self._recent.popitem(last=False)
        if ours:
            self._interactive = self._interactive + 1 if line.lane is Lane.INTERACTIVE else 0
        self._starts += 1
        self._served[line] = self._starts
        self._served.move_to_end(line)
        if len(self._served) > _REMEMBERED_LINES:
            self._served.popitem(last=False)

    def no_batch(self) -> None:
        """Count that the batch lane has no work: the share counts while both have some."""
        self._interactive = 0

    def turn(self, line: Line, least: str) -> Turn:
        """Return where ``line`` stands in its lane, the least id of its waiting requests being ``least``."""
        return self._served.get(line, 0), least, line.client


def batch_before(rank: int, before_batch: int) -> int:
    """Count the batch requests begun before the interactive one of that rank, were there always some.

    Args:
        rank: how many interactive ones are begun before it.
        before_batch: how many interactive ones are begun before the next batch one.
    """
    return 0 if rank < before_batch else 1 + (rank - before_batch) // INTERACTIVE_SHARE


def interactive_before(rank: int, before_batch: int) -> int:
    """Count the interactive requests begun before the batch one of that rank, were there always some."""
    return before_batch + INTERACTIVE_SHARE * rank
