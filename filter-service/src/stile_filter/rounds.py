"""The usher's rounds: places are told as they change, and CHAT is looked into every few seconds."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from stile_contracts.messages import QueueState
from stile_filter.answers import Outgoing
from stile_filter.clock import WallClock
from stile_filter.errors import BusError
from stile_filter.usher import ChatLook, Usher

TELL_SECONDS = 0.25
"""Between two rounds of telling: what changes within is told once. The first change is told at once."""

LOOK_SECONDS = 2.0
"""Between two looks into CHAT, half a millisecond each for 200 requests (DESIGN, decision 13)."""

_AT_ONCE = 64
"""So many are told before others have a turn."""

log = structlog.get_logger()


class Streams(Protocol):
    """CHAT."""

    async def look(self) -> ChatLook:
        """Return what CHAT holds now."""
        ...


class Rounds:
    """Has the usher follow the queue.

    Args:
        usher: who knows the queue.
        streams: where it is kept.
        send: sends messages.
        show: shown the queue after every look.
        clock: the wall clock, compared with nats-server's at every look.
    """

    def __init__(
        self,
        usher: Usher,
        streams: Streams,
        send: Callable[[list[Outgoing]], Awaitable[None]],
        show: Callable[[QueueState], None],
        clock: WallClock,
    ) -> None:
        self._usher = usher
        self._streams = streams
        self._send = send
        self._show = show
        self._clock = clock

    async def look(self) -> None:
        """Have the usher see what CHAT holds, where it can be asked."""
        try:
            asked = self._clock.now()
            chat = await self._streams.look()
            self._clock.compare(chat.at, asked)
            self._usher.seen(chat.subjects)
            self._usher.sized(chat.room)
        except BusError as error:
            self._usher.unseen()
            log.warning("queue_not_seen", error=type(error).__name__, reason=str(error))
        self._show(self._usher.state())

    async def keep_looking(self) -> None:
        """Look into CHAT every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def tell(self) -> None:
        """Tell the places that have changed, until cancelled."""
        while True:
            await self._usher.changed.wait()
            for number, message in enumerate(self._usher.messages(), 1):
                await self._send([message])
                if number % _AT_ONCE == 0:
                    await asyncio.sleep(0)
            await asyncio.sleep(TELL_SECONDS)
