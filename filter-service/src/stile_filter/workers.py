"""What the consumers' heartbeats say: how many work, how fast, and whose approvals they believe."""

import time
from collections.abc import Callable
from statistics import fmean

from stile_contracts.messages import Heartbeat
from stile_filter.speed import ModelSpeed, Speed

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

    def heard(self, heartbeat: Heartbeat) -> None:
        """Take a consumer's heartbeat in."""
        self._heard[heartbeat.instance] = (self._clock(), heartbeat)

    def count(self) -> int:
        """Return how many can answer requests."""
        return sum(heartbeat.ready for heartbeat in self._alive())

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

    def speed(self) -> Speed | None:
        """Return how fast they are, on average; None where none has measured it yet."""
        alive = self._alive()
        models = [speed for heartbeat in alive if (speed := _model(heartbeat))]
        model = ModelSpeed(*map(fmean, zip(*models, strict=True))) if models else None
        services = [beat.service_seconds for beat in alive if beat.service_seconds is not None]
        if services:
            return Speed(fmean(services), model)
        return Speed(model.answer_tokens * model.answer, model) if model else None

    def _alive(self) -> list[Heartbeat]:
        oldest = self._clock() - ALIVE_SECONDS
        self._heard = {name: last for name, last in self._heard.items() if last[0] >= oldest}
        return [heartbeat for _, heartbeat in self._heard.values()]


def _model(heartbeat: Heartbeat) -> ModelSpeed | None:
    if not heartbeat.prompt_per_second or not heartbeat.predicted_per_second:
        return None
    if heartbeat.answer_tokens is None:
        return None
    return ModelSpeed(
        1 / heartbeat.prompt_per_second, 1 / heartbeat.predicted_per_second, heartbeat.answer_tokens
    )
