"""Each client's share of CHAT_RESULT: when it fills, the clients with the most lose their oldest results.

The stream by itself drops the oldest outcome, whoever's it is, so one client's flood would drive out
everybody's (docs/adr/0019). What a client holds is counted anew each time, from the stream itself: so it is
right after a restart, and whoever stored it. Several filters may do this at once; each purge names what it
removes by number, and removes nothing else when it is done twice.
"""

import contextlib
from collections import Counter
from collections.abc import Container

import structlog

from stile_contracts import subjects
from stile_filter.errors import BusError
from stile_filter.shares import level
from stile_filter.store import RequestId, ResultRecord, ResultRoom, Store
from stile_filter.transport.failures import log_failure

FULL = 3 / 4
"""Of its bytes: past this there is something to do."""

AFTER = 1 / 2
"""To this it is brought down, so that it is not done again at once."""

YOUNG_SECONDS = 30.0
"""Nothing younger is removed. For so long a gateway repeats a request that it has heard nothing of; and a
request that was cancelled while it was checked is approved sooner."""

log = structlog.get_logger()


class Cuts:
    """Up to which number each client's results are removed. Pure.

    Args:
        excess: by client how many bytes are to go.
        spared: whose outcomes stay: what CHAT still holds would be generated a second time without them.
        until: what was stored later stays.
    """

    def __init__(self, excess: dict[str, float], spared: Container[RequestId], until: float) -> None:
        self._excess = excess
        self._spared = spared
        self._until = until
        self.before: dict[str, int] = {}
        """By client: the results with lower numbers are removed."""

    def __bool__(self) -> bool:
        """Whether there is still something to look for."""
        return bool(self._excess)

    def take(self, outcome: ResultRecord) -> None:
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


class ResultShares:
    """Keeps CHAT_RESULT from being one client's.

    Args:
        store: the streams.
        young_seconds: nothing younger is removed.
    """

    def __init__(self, store: Store, young_seconds: float = YOUNG_SECONDS) -> None:
        self._store = store
        self._young_seconds = young_seconds

    async def look(self) -> None:
        """Remove what is too much, if the stream fills."""
        try:
            room = await self._store.result_room()
            if room.size > room.most * FULL:
                await self._make_room(room)
        except BusError as error:
            log_failure(error, "results")

    async def _make_room(self, room: ResultRoom) -> None:
        held: Counter[str] = Counter()
        async for outcome in self._store.result_records():
            held[outcome.owner[0]] += outcome.size
        most = level(held.values(), room.most * AFTER)
        excess = {client: size - most for client, size in held.items() if size > most}
        cuts = Cuts(excess, await self._owners(), room.now - self._young_seconds)
        async for outcome in self._store.result_records():
            cuts.take(outcome)
            if not cuts:
                break
        for client, before in cuts.before.items():
            log.warning("outcomes_removed", client=client, held_bytes=held[client], share_bytes=int(most))
            await self._store.purge_results(client, before)

    async def _owners(self) -> set[RequestId]:
        """Return whose requests CHAT holds."""
        owners = set()
        for subject in (await self._store.look()).subjects:
            with contextlib.suppress(ValueError):  # no filter approves under such a subject
                address = subjects.parse_approved(subject)
                owners.add((address.client, address.id))
        return owners
