"""Who asks, and how much they may: by API key where keys are asked for, by address where not."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stile_contracts import subjects
from stile_contracts.api_keys import ApiKey
from stile_contracts.subjects import Lane
from stile_gateway.errors import ClientLimitError, InvalidApiKeyError, InvalidHeaderError
from stile_gateway.keyring import KeyRing

AUTHORIZATION = "Authorization"
LANE = "Stile-Lane"
IN_FLIGHT_SECONDS = 1.0
"""When to come back where too many requests are held: nobody knows when one of them will be answered."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

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
    """Tells who asks, and holds them to their keys' limits.

    Args:
        keys: those that are known; None where none is asked for.
        clock: seconds, monotonic.
    """

    def __init__(self, keys: KeyRing | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._clock = clock
        self._allowances: dict[str, _Allowance] = {}

    @property
    def need_keys(self) -> bool:
        """Whether a key is asked for."""
        return self._keys is not None

    def identify(self, headers: Mapping[str, str], peer: str) -> Caller:
        """Tell who asks.

        Args:
            headers: the request's.
            peer: the address that it came from.

        Raises:
            InvalidApiKeyError: a key is asked for, and none is there that is known.
        """
        if self._keys is None:
            return Caller(subjects.http_client(peer))
        scheme, _, presented = headers.get(AUTHORIZATION, "").partition(" ")
        key = self._keys.find(presented.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            raise InvalidApiKeyError("Send a known key: `Authorization: Bearer …`.", param=AUTHORIZATION)
        return Caller(key.client, key)

    def admit(self, caller: Caller, held: int) -> None:
        """Count a request of ``caller``, of whom ``held`` others are held.

        Raises:
            ClientLimitError: it is one too many for its key.
        """
        key = caller.key
        if key is None:
            return
        if key.max_in_flight is not None and held >= key.max_in_flight:
            raise ClientLimitError(
                f"This key may have {key.max_in_flight} requests at once.", retry_after=IN_FLIGHT_SECONDS
            )
        if key.requests_per_minute is not None:
            allowance = self._allowances.setdefault(key.name, _Allowance())
            if wait := allowance.take(key.requests_per_minute, self._clock()):
                raise ClientLimitError(
                    f"This key may ask {key.requests_per_minute} times a minute.", retry_after=wait
                )


@dataclass(slots=True)
class _Allowance:
    """A token bucket (https://en.wikipedia.org/wiki/Token_bucket) that holds what a minute allows."""

    spent: float = 0.0
    at: float = 0.0

    def take(self, per_minute: int, now: float) -> float:
        """Take one; return 0, or the seconds until there is one to take."""
        a_second = per_minute / 60
        spent = max(0.0, self.spent - (now - self.at) * a_second)
        self.at = now
        missing = spent + 1 - per_minute
        if missing > 1e-9:  # as good as nothing: what was waited for is there
            self.spent = spent
            return missing / a_second
        self.spent = spent + 1
        return 0.0
