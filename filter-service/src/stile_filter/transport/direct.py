"""The connection that direct clients' messages come over: it may be flooded, and holds nothing else up."""

import asyncio
from collections.abc import Callable

from nats.aio.client import Client

TAKEN_AT_ONCE = 64
"""So many messages are taken off the connection before everything else has a turn: a millisecond's worth."""

DROPPED_AT_ONCE = 16 * TAKEN_AT_ONCE
"""So many are dropped: 3 microseconds each, and behind them may lie what another client has sent."""


class DirectClient(Client):
    """nats-py's client, with two things changed.

    It lets the event loop go on after a few messages: nats-py reads for as long as there is something to
    read, and four thousand small messages may lie in a socket's buffer. And it drops what would be turned
    away unheard before its headers are read and it is queued, which takes longer than all the rest.

    Args:
        is_dropped: tells of a message's subject whether it is dropped.
    """

    def __init__(self, is_dropped: Callable[[bytes], bool]) -> None:
        super().__init__()
        self._is_dropped = is_dropped
        self._since_turn = 0.0
        """How much of its turn is used up; 1 is all of it."""

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        is_dropped = self._is_dropped(subject)
        self._since_turn += 1 / (DROPPED_AT_ONCE if is_dropped else TAKEN_AT_ONCE)
        if self._since_turn >= 1:
            self._since_turn = 0.0
            await asyncio.sleep(0)
        if not is_dropped:
            await super()._process_msg(sid, subject, reply, data, headers)
