"""Each client's share of CHAT_RESULT: when it fills, those who hold the most give up their oldest outcomes.

The stream by itself drops the oldest outcome, whoever's it is, so one client's flood would drive out
everybody's (docs/adr/0021). What a client holds is counted anew each time, from the stream itself: so it is
right after a restart, and whoever stored it. Several filters may do this at once; each purge names what it
removes by number, and removes nothing else when it is done twice.
"""

from collections import Counter
from collections.abc import AsyncIterator, Container
from typing import NamedTuple, Protocol
from uuid import UUID

import structlog

from stile_filter.errors import BusError
from stile_filter.shares import level

FULL = 3 / 4
"""Of its bytes: past this there is something to do."""

AFTER = 1 / 2
"""To this it is brought down, so that it is not done again at once."""

YOUNG_SECONDS = 30.0
"""Nothing younger is removed. For so long a gateway repeats a request that it has heard nothing of; and a
request that was cancelled while it was checked is approved sooner."""

log = structlog.get_logger()

Owner = tuple[str, UUID]
"""A client, and the id of its request."""


class Outcome(NamedTuple):
    """What is known of a stored outcome without reading it."""

    owner: Owner
    seq: int
    """Its number in the stream."""
    size: int
    """Bytes that it takes, about."""
    stored: float
    """When, in seconds since the Unix epoch, by the server's clock."""


class Filled(NamedTuple):
    """How full the stream is."""

    size: int
    most: float
    """Infinite where it has no limit."""
    now: float
    """The time, as in ``Outcome.stored``."""


class Outcomes(Protocol):
    """CHAT_RESULT. Every method may raise ``UnconfirmedError`` and ``UnavailableError``."""

    async def filled(self) -> Filled:
        """Tell how full the stream is."""
        ...

    async def owners(self) -> set[Owner]:
        """Return whose requests CHAT holds."""
        ...

    def outcomes(self) -> AsyncIterator[Outcome]:
        """Give all outcomes, the oldest first."""
        ...

    async def purge(self, client: str, before: int) -> None:
        """Remove those of a client's outcomes whose numbers are less than ``before``."""
        ...


class Cuts:
    """How far back each client's outcomes go on. Pure.

    Args:
        excess: by client how many bytes are to go.
        spared: whose outcomes stay: what CHAT still holds would be generated a second time without them.
        until: what was stored later stays.
    """

    def __init__(self, excess: dict[str, float], spared: Container[Owner], until: float) -> None:
        self._excess = excess
        self._spared = spared
        self._until = until
        self.before: dict[str, int] = {}
        """By client: the outcomes whose numbers are less go."""

    def __bool__(self) -> bool:
        """Whether there is still something to look for."""
        return bool(self._excess)

    def take(self, outcome: Outcome) -> None:
        """Look at the next outcome, the oldest first."""
        client, _ = outcome.owner
        if client not in self._excess:
            return
        if outcome.owner in self._spared or outcome.stored > self._until:
            del self._excess[client]
            return
        self.before[client] = outcome.seq + 1
        self._excess[client] -= outcome.size
        if self._excess[client] <= 0:
            del self._excess[client]


class OutcomeShares:
    """Keeps CHAT_RESULT from being one client's.

    Args:
        outcomes: what is stored.
        young_seconds: nothing younger is removed.
    """

    def __init__(self, outcomes: Outcomes, young_seconds: float = YOUNG_SECONDS) -> None:
        self._outcomes = outcomes
        self._young_seconds = young_seconds

    async def look(self) -> None:
        """Remove what is too much, where the stream fills. Never raises."""
        try:
            filled = await self._outcomes.filled()
            if filled.size > filled.most * FULL:
                await self._make_room(filled)
        except BusError as error:
            log.warning("outcomes_not_seen", reason=str(error) or "not confirmed")

    async def _make_room(self, filled: Filled) -> None:
        held: Counter[str] = Counter()
        async for outcome in self._outcomes.outcomes():
            held[outcome.owner[0]] += outcome.size
        most = level(held.values(), filled.most * AFTER)
        excess = {client: size - most for client, size in held.items() if size > most}
        cuts = Cuts(excess, await self._outcomes.owners(), filled.now - self._young_seconds)
        async for outcome in self._outcomes.outcomes():
            cuts.take(outcome)
            if not cuts:
                break
        for client, before in cuts.before.items():
            log.warning("outcomes_removed", client=client, held_bytes=held[client], share_bytes=int(most))
            await self._outcomes.purge(client, before)
