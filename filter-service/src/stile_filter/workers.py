"""What the consumers' heartbeats say: how soon a place in CHAT may be free."""

import time
from collections.abc import Callable

from stile_contracts.messages import Heartbeat

ALIVE_SECONDS = 5.0
"""How long a heartbeat, sent every two seconds, is believed."""

UNKNOWN_RETRY_AFTER = 5.0
"""What is told while no consumer has said how long it takes."""


class Workers:
    """The consumers that were heard of lately.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[str, tuple[float, float]] = {}

    def heard(self, heartbeat: Heartbeat) -> None:
        """Take a consumer's heartbeat in."""
        if heartbeat.service_seconds is not None:
            self._heard[heartbeat.instance] = (self._clock(), heartbeat.service_seconds)

    def retry_after(self) -> float:
        """Return in how many seconds one of them will have taken another request, at least 1."""
        oldest = self._clock() - ALIVE_SECONDS
        self._heard = {name: last for name, last in self._heard.items() if last[0] >= oldest}
        if not self._heard:
            return UNKNOWN_RETRY_AFTER
        mean = sum(seconds for _, seconds in self._heard.values()) / len(self._heard)
        return max(1.0, mean / len(self._heard))
