"""Whether the workers accept this filter's signatures, by their heartbeats.

A worker drops what is signed by a key that it does not know, or not signed, without a word: the place to
answer may be an attack. So a filter that is not believed does not approve (docs/adr/0013).
"""

import time
from collections.abc import Callable

from stile_filter.admission.ports import Signer
from stile_runtime.fleet import Fleet

GRACE_SECONDS = 3.0
"""How long after the key was changed nothing is held against the new one: the workers' file is written before
the filter's, but a heartbeat, sent every two seconds, may be from before."""


class SignatureStatus:
    """Compares the key that signs with those that the workers believe.

    Args:
        signer: signs approvals.
        fleet: the workers that live.
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, signer: Signer, fleet: Fleet, clock: Callable[[], float] = time.monotonic) -> None:
        self._signer = signer
        self._fleet = fleet
        self._clock = clock
        self._key = signer.key_id
        self._since = float("-inf")

    def fault(self) -> str | None:
        """Return why an approval would be dropped now, or None if no worker is known that would."""
        if (key := self._signer.key_id) != self._key:
            self._key, self._since = key, self._clock() + GRACE_SECONDS
        dropping = sum(
            member.heartbeat.approval_keys is not None and key not in member.heartbeat.approval_keys
            for member in self._fleet.members("consumer")
            if member.received_at >= self._since
        )
        if not dropping:
            return None
        if key is None:
            return f"STILE_SIGNING_KEY is not set; workers that ask for signed approvals: {dropping}"
        return f"STILE_APPROVAL_KEYS of workers lacks the key that signs ({key}); such workers: {dropping}"
