"""The client of a request, and its key's limits: by API key if keys are asked for, else by address."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from stile_contracts import subjects
from stile_contracts.subjects import Lane
from stile_gateway.clients.keyring import KeyRing
from stile_gateway.clients.slots import RETRY_SECONDS
from stile_gateway.errors import ClientLimitError, InvalidApiKeyError, InvalidHeaderError
from stile_runtime.api_keys import ApiKey

AUTHORIZATION = "Authorization"
API_KEY = "X-Api-Key"
"""The other header that may carry a key, as Anthropic's clients send it."""
LANE = "Stile-Lane"
_ROUNDING = 1e-9
"""Less is a rounding error."""


class RequestsLeft(NamedTuple):
    """What a key may still ask."""

    limit: int
    """Of a minute."""
    remaining: int
    """At once."""
    reset: float
    """Seconds until all of the limit is there again."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The client of one request."""

    client: str
    """Its name on the bus."""
    key: ApiKey | None = None

    def lane(self, wanted: str | None) -> Lane:
        """Return the lane of a request that names ``wanted`` or none.

        Raises:
            InvalidHeaderError: there is no such lane, or not for this key.
        """
        own = self.key.lane if self.key else Lane.INTERACTIVE
        if wanted is None:
            return own
        if wanted not in Lane.__members__.values():
            raise InvalidHeaderError(f"The lanes are {' and '.join(Lane)}.", param=LANE)
        if own is Lane.BATCH and wanted != own:
            raise InvalidHeaderError("This key's requests wait in the lane batch.", param=LANE)
        return Lane(wanted)


class Callers:
    """Tells which client a request is from, and applies its key's limits.

    Args:
        keys: those that are known; None if none is asked for.
        clock: seconds, monotonic.
    """

    def __init__(self, keys: KeyRing | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._clock = clock
        self._allowances: dict[str, _Allowance] = {}
        self._open: Counter[str] = Counter()

    @property
    def need_keys(self) -> bool:
        """Whether a key is asked for now."""
        return self._keys is not None and self._keys.is_asked_for

    def identify(self, headers: Mapping[str, str], peer: str) -> Caller:
        """Return the client of a request.

        Args:
            headers: the request's.
            peer: the address that it came from.

        Raises:
            InvalidApiKeyError: keys are asked for, and the request has no known one.
        """
        if self._keys is None or not self._keys.is_asked_for:
            return Caller(subjects.http_client(peer))
        scheme, _, presented = headers.get(AUTHORIZATION, "").partition(" ")
        if scheme.lower() != "bearer":
            presented = headers.get(API_KEY, "")
        key = self._keys.find(presented.strip())
        if key is None:
            raise InvalidApiKeyError(
                "Send a known key: `Authorization: Bearer …`, or `X-Api-Key: …`.", param=AUTHORIZATION
            )
        return Caller(key.client, key)

    @contextmanager
    def at_once(self, caller: Caller) -> Iterator[None]:
        """Count a request as open, from its head on.

        Raises:
            ClientLimitError: it is one too many.
        """
        self.admit(caller, self._open[caller.client])
        self._open[caller.client] += 1
        try:
            yield
        finally:
            self._open -= Counter((caller.client,))

    def admit(self, caller: Caller, others: int) -> None:
        """Check a request of ``caller``, which has ``others`` in flight, against its key's limit.

        Raises:
            ClientLimitError: it is one too many.
        """
        most = caller.key.max_in_flight if caller.key else None
        if most is not None and others >= most:
            raise ClientLimitError(
                f"This key may have {most} requests at once; try again when one has ended.",
                retry_after=RETRY_SECONDS,
            )

    def spend(self, caller: Caller) -> None:
        """Count a request of ``caller`` towards its key's minute.

        Raises:
            ClientLimitError: it is one too many.
        """
        key = caller.key
        if key is None or key.requests_per_minute is None:
            return
        allowance = self._allowances.setdefault(key.name, _Allowance())
        if wait := allowance.take(key.requests_per_minute, self._clock()):
            raise ClientLimitError(
                f"This key may ask {key.requests_per_minute} times a minute.", retry_after=wait
            )

    def left(self, caller: Caller) -> RequestsLeft | None:
        """Return what is left of a key's minute; None if it has no such limit."""
        key = caller.key
        if key is None or key.requests_per_minute is None:
            return None
        allowance = self._allowances.get(key.name, _Allowance())
        return allowance.left(key.requests_per_minute, self._clock())


@dataclass(slots=True)
class _Allowance:
    """A token bucket (https://en.wikipedia.org/wiki/Token_bucket) that holds what a minute allows."""

    spent: float = 0.0
    at: float = 0.0

    def left(self, per_minute: int, now: float) -> RequestsLeft:
        """Return what there is to take."""
        spent = self._spent(per_minute, now)
        return RequestsLeft(per_minute, math.floor(per_minute - spent + _ROUNDING), spent * 60 / per_minute)

    def _spent(self, per_minute: int, now: float) -> float:
        return max(0.0, self.spent - (now - self.at) * per_minute / 60)

    def take(self, per_minute: int, now: float) -> float:
        """Take one; return 0, or the seconds until there is one to take."""
        a_second = per_minute / 60
        spent = self._spent(per_minute, now)
        self.at = now
        missing = spent + 1 - per_minute
        if missing > _ROUNDING:
            self.spent = spent
            return missing / a_second
        self.spent = spent + 1
        return 0.0
