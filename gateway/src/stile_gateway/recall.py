"""The use case: what became of a request that may be answered to somebody else. Knows no framework."""

import time
from collections.abc import AsyncGenerator
from uuid import UUID

from stile_contracts import headers
from stile_contracts.errors import ErrorCode
from stile_contracts.ids import new_id
from stile_contracts.messages import EventKind
from stile_gateway.errors import (
    AcceptTimeoutError,
    BusUnavailableError,
    InternalError,
    NoFilterError,
    RelayedError,
)
from stile_gateway.hearing import Said, relayed, reply_of
from stile_gateway.inbox import Found, Inbox, Signal
from stile_gateway.port import NO_RESPONDERS_SECONDS, REPEAT_SECONDS, Bus


def read(found: Found) -> Said:
    """Return the answer to a look-up: ``position``, ``started`` or ``done``.

    Raises:
        RelayedError: the request's error; ``not_found``; or why it could not be looked up.
        InternalError: it cannot be read.
    """
    match found.headers.get(headers.CHAT_EVENT):
        case EventKind.DONE:
            return Said(EventKind.DONE, 0, found.body, reply_of(found.body))
        case EventKind.ERROR:
            raise relayed(found.body)
        case EventKind.POSITION | EventKind.STARTED as event:
            return Said(EventKind(event), 0, found.body)
    raise InternalError("What became of the request could not be read.")


async def recall(
    bus: Bus, client: str, chat_id: UUID, within: float, pulse: float
) -> AsyncGenerator[Said | None, None]:
    """Yield each state of the request ``chat_id`` of ``client`` up to ``done``; None for a silent ``pulse``.

    It is asked again when the request is settled, and every two seconds besides.

    Args:
        bus: where it is asked.
        client: whose request it is; another's is not found.
        chat_id: which.
        within: seconds in which somebody must have answered.
        pulse: seconds.

    Raises:
        GatewayError: the request's error, or there is no telling.
    """
    told: Said | None = None
    with bus.inbox(f"recall-{new_id()}", chat_id) as inbox:
        asking = _Asking(bus, client, chat_id, inbox, within)
        yield_by = time.monotonic() + pulse
        while told is None or told.event is not EventKind.DONE:
            said = await asking.hear(yield_by)
            if said is not None and said != told:
                told = said
                yield said
            elif time.monotonic() >= yield_by:
                yield None
            else:
                continue
            yield_by = time.monotonic() + pulse


class _Asking:
    """Asks, and asks again."""

    def __init__(self, bus: Bus, client: str, chat_id: UUID, inbox: Inbox, within: float) -> None:
        self._bus = bus
        self._client = client
        self._id = chat_id
        self._inbox = inbox
        self._within = within
        self._ask_at = now = time.monotonic()
        self._heard_by = now + within
        self._heard_any = False
        self._heard_nobody = False

    async def hear(self, by: float) -> Said | None:
        """Return one answer; None where none came, or it said nothing, for now or ``by`` that moment.

        Raises:
            GatewayError: the request's error, or there is no telling.
        """
        now = time.monotonic()
        if now >= self._heard_by:
            raise self._unheard()
        if now >= self._ask_at:
            await self._ask(now)
        match await self._inbox.get(min(self._ask_at, self._heard_by, by) - now):
            case Signal.NO_RESPONDERS:
                self._heard_nobody = True
                self._ask_at = time.monotonic() + NO_RESPONDERS_SECONDS
            case Signal.SETTLED | Signal.RECONNECTED:
                self._ask_at = time.monotonic()
            case Found() as found if said := _heard(found):
                self._heard_by = time.monotonic() + self._within
                self._heard_any, self._heard_nobody = True, False
                return said
        return None

    async def _ask(self, now: float) -> None:
        self._ask_at = now + REPEAT_SECONDS
        try:
            await self._bus.look_up(self._client, self._id, self._inbox)
        except BusUnavailableError:
            if not self._heard_any:
                raise

    def _unheard(self) -> NoFilterError | AcceptTimeoutError:
        if self._heard_nobody:
            return NoFilterError("No filter is there; try again later.", retry_after=1)
        return AcceptTimeoutError("Nothing was heard of what became of the request; ask again.")


def _heard(found: Found) -> Said | None:
    """Return what a look-up brought; where it failed by itself, it is asked again."""
    try:
        return read(found)
    except RelayedError as error:
        if error.is_outcome or error.code is ErrorCode.NOT_FOUND:
            raise
        return None
