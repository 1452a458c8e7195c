"""This process's wall clock, compared with nats-server's (docs/adr/0022).

A request's deadline is a time of day: one machine sets it, and others compare it with their own clocks.
"""

import time
from collections.abc import Callable

import structlog

from stile_runtime.fleet import CLOCK_TOLERANCE_SECONDS

log = structlog.get_logger()


class WallClock:
    """Knows how far the clock is off, as of the last answer of nats-server.

    Args:
        now: the time, in seconds since the Unix epoch.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self._ahead = 0.0

    def compare(self, server: float, asked: float) -> None:
        """Compare the clock with the time of an answer that has just come, and log a change.

        The server answered between the question and now, so a slow answer is no fault of the clock.

        Args:
            server: when the server made its answer, in seconds since the Unix epoch, by its clock.
            asked: when it was asked, by this clock.
        """
        before = self.fault()
        self._ahead = max(asked - server, 0.0) + min(self.now() - server, 0.0)
        fault = self.fault()
        if fault is not None and before is None:
            log.error("clock_off", reason=fault)
        elif fault is None and before is not None:
            log.info("clock_right")

    def fault(self) -> str | None:
        """Return why this part is not ready, or None if the clock is right enough."""
        if abs(self._ahead) <= CLOCK_TOLERANCE_SECONDS:
            return None
        side = "ahead of" if self._ahead > 0 else "behind"
        return f"the clock is {abs(self._ahead):.0f} s off ({side} nats-server's)"
