"""Which models there are to ask for, by the consumers' heartbeats."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from stile_contracts import models
from stile_contracts.messages import Heartbeat

REMEMBERED_SECONDS = 600.0
"""How long a model counts after its last heartbeat: a worker that starts again still owns its requests."""

LISTENED_SECONDS = 5.0
"""So long who has just begun to hear workers waits before it says that there is no such model: each is heard
every two seconds."""

_AGAIN_SECONDS = 0.1


class _Heard(NamedTuple):
    at: float
    name: str


class Models:
    """The models that were heard of lately.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[str, _Heard] = {}
        self._since = clock()

    def listens(self) -> None:
        """Take in that consumers are heard from now on."""
        self._since = self._clock()

    def heard(self, heartbeat: Heartbeat) -> None:
        """Take a consumer's heartbeat in; one whose model can't be asked for by its name names none."""
        if heartbeat.model is None or (token := models.token(heartbeat.model)) is None:
            return
        now = self._clock()
        if not self._known():
            self._since = now
        self._heard[token] = _Heard(now, heartbeat.model)

    def names(self) -> list[str]:
        """Return what they are called, sorted."""
        return sorted(heard.name for heard in self._known().values())

    async def lacks(self, name: str) -> bool:
        """Tell whether no worker has the model ``name``; where none is known at all, one may come."""
        token = models.token(name)
        if token is None:
            return True
        while token not in (known := self._known()):
            if self._clock() >= self._since + LISTENED_SECONDS:
                return bool(known)
            await asyncio.sleep(_AGAIN_SECONDS)
        return False

    def _known(self) -> dict[str, _Heard]:
        oldest = self._clock() - REMEMBERED_SECONDS
        self._heard = {token: heard for token, heard in self._heard.items() if heard.at >= oldest}
        return self._heard
