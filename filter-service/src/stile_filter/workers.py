"""The workers that live, by their heartbeats, and which signing keys they know."""

import time
from collections.abc import Callable
from typing import Literal

from stile_contracts import models
from stile_contracts.messages import Heartbeat

ALIVE_SECONDS = 5.0
"""How long a heartbeat, sent every two seconds, is believed."""


class Workers:
    """The consumers that were heard of lately.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[str, tuple[float, Heartbeat]] = {}

    def models(self) -> set[str]:
        """Return the tokens of their models."""
        return {token for heartbeat in self.alive() if (token := _token(heartbeat))}

    def heard(self, heartbeat: Heartbeat) -> None:
        """Take a consumer's heartbeat in, and forget those of workers that are gone."""
        oldest = self._clock() - ALIVE_SECONDS
        self._heard = {name: last for name, last in self._heard.items() if last[0] >= oldest}
        self._heard[heartbeat.instance] = (self._clock(), heartbeat)

    def alive(self, part: Literal["consumer"] = "consumer", model: str | None = None) -> list[Heartbeat]:
        """Return the heartbeats of those that serve the model with this token, or of all."""
        oldest = self._clock() - ALIVE_SECONDS
        return [
            last
            for heard, last in self._heard.values()
            if heard >= oldest and last.part == part and (model is None or _token(last) == model)
        ]

    def disbelieving(self, key_id: str | None, *, since: float) -> int:
        """Return how many would drop what ``key_id`` signs, or what is not signed where it is None.

        Args:
            key_id: of the key that signs.
            since: on the clock; what was heard before is not held against the key.
        """
        oldest = max(since, self._clock() - ALIVE_SECONDS)
        return sum(
            last.approval_keys is not None and key_id not in last.approval_keys
            for heard, last in self._heard.values()
            if heard >= oldest
        )


def _token(heartbeat: Heartbeat) -> str | None:
    return models.token(heartbeat.model) if heartbeat.model else None
