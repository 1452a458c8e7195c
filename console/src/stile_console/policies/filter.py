"""What the filter says of a policy, and whether it has taken one up."""

import asyncio
import time
from collections.abc import Callable

from stile_console.bus import NatsBus
from stile_console.errors import ConflictError, UnavailableError
from stile_console.policies.file import PolicyFile
from stile_contracts.messages import Heartbeat, PolicyFault, PolicyVerdict
from stile_runtime.fleet import Fleet

TAKEN_UP_SECONDS = 90.0
"""In this time a filter takes up a changed file: it looks each second, and starts the scanners."""
REFUSED_AFTER_SECONDS = 5.0
"""If a filter still says after this time that the file is refused, it means the changed file: it looks each
second, and sends a heartbeat every two seconds."""
HEARTBEAT_SECONDS = 10.0
"""For the first heartbeat of a filter: a console that has just started has none yet."""

_POLL_SECONDS = 0.2
_NOT_TRIED = "tried here"
"""A reason ends so if the policy is not at fault: a draft may use only scanners that run already
(``stile_filter.policies.draft``). The filter tries such a policy when it takes it up."""


class Policies:
    """Tries policies, and has them taken up.

    Args:
        bus: to ask the filters.
        fleet: the filters' heartbeats.
        file: the policy's.
        clock: seconds, monotonic.
    """

    def __init__(
        self, bus: NatsBus, fleet: Fleet, file: PolicyFile, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bus = bus
        self._fleet = fleet
        self.file = file
        self._clock = clock
        self._applying = asyncio.Lock()

    async def verdict(self, text: str, policy: str | None) -> PolicyVerdict:
        """Return what each rule says of a text.

        Args:
            text: only the filter reads it, and nothing stores it.
            policy: another policy than the one in use.

        Raises:
            UnavailableError: no filter replies.
        """
        return await self._bus.verdict(text, policy)

    async def faults(self, policy: str) -> tuple[str | None, list[PolicyFault]]:
        """Return a policy's version, and what is wrong with it; its own tests are run.

        Raises:
            UnavailableError: no filter replies.
        """
        found = await self.verdict("Hello", policy)
        return found.policy, found.faults

    async def apply(self, policy: str, base: str) -> tuple[bool, list[PolicyFault]]:
        """Write a policy, and wait until every filter has taken it up.

        A policy with a fault is not written. If a filter refuses it when it takes it up, the file before it
        is put back.

        Args:
            policy: the text of the file.
            base: the digest of the text that it was made from.

        Returns:
            Whether the filters have it, and why not.

        Raises:
            ConflictError: the file has changed in the meantime, or a filter has refused it.
            FileError: it can't be written.
            UnavailableError: no filter replies or sends heartbeats, or none has taken the file up in time.
        """
        async with self._applying:
            version, faults = await self.faults(policy)
            if any(not fault.reason.endswith(_NOT_TRIED) for fault in faults):
                return False, faults
            alive = await self._filters()
            before = {beat.policy for beat in alive}
            was_refused = any(beat.policy_refused for beat in alive)  # then that says nothing of the new file
            undo = await asyncio.to_thread(self.file.replace, policy, base)
            written = self._clock()
            while self._clock() - written < TAKEN_UP_SECONDS:
                filters = self._fleet.members("filter")
                versions = {filter_.heartbeat.policy for filter_ in filters}
                if versions == {version} or (version is None and versions and not versions & before):
                    return True, []
                if not was_refused and any(
                    filter_.heartbeat.policy_refused and filter_.received_at - written > REFUSED_AFTER_SECONDS
                    for filter_ in filters
                ):
                    await asyncio.to_thread(undo)
                    raise ConflictError(
                        "The filter has refused the policy: its log says why. The file is as it was before."
                    )
                await asyncio.sleep(_POLL_SECONDS)
        raise UnavailableError("The file is written, but no filter has taken it up yet. See Health.")

    async def _filters(self) -> list[Heartbeat]:
        """Return the heartbeats of the filters that live: at least one.

        Without them, the policy in use before a change is not known, and could pass for the changed one.
        """
        started = self._clock()
        while not (alive := self._fleet.alive("filter")):
            if self._clock() - started > HEARTBEAT_SECONDS:
                raise UnavailableError(
                    "No filter sends heartbeats, so the policy was not changed. See Health."
                )
            await asyncio.sleep(_POLL_SECONDS)
        return alive
