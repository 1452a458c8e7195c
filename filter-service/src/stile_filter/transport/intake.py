"""Takes messages in as they arrive, and has them handled in turn (docs/adr/0018).

What arrives is only sorted: by its subject and headers into its client's line. A message that its line has no
room for is answered at once, and its body is not looked at.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
from nats.aio.msg import Msg

from stile_contracts import headers, subjects
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import EventLevel
from stile_filter.errors import RequestError
from stile_filter.transport.arrivals import Arrival, Arrivals, Bounds
from stile_filter.transport.message import IncomingMessage, OutgoingMessage
from stile_filter.transport.reply import Replies

RETRY_AFTER = 1.0
"""In about this many seconds a full backlog is worked off, if no scanner is slow."""

TOLD_A_SECOND = 100
"""If a client's backlog is full, so many of its messages are answered in a second. More are dropped and
counted.
Of a flood of 20,000 a second the replies would cost more than the reading."""

_LOGGED_SECONDS = 60.0

Handle = Callable[[IncomingMessage], Awaitable[list[OutgoingMessage]]]
"""Handles a message and returns what its requester is to be sent; never raises."""


class RejectionObserver(Protocol):
    """Counts the messages that are not taken."""

    def __call__(self, kind: str, *, told: bool) -> None:
        """Count one of this kind, and whether it is answered."""
        ...


log = structlog.get_logger()


class Intake:
    """One kind of message of one origin: the gateway's, or the direct clients'.

    Args:
        kind: of message, for the log and the metrics.
        handle: handles a message.
        send: sends messages.
        turned_away: told of each message that is not taken.
        has_place: tells whether a client's request of this id has its place in CHAT. A repeat of it may not
            hear that it was turned away.
        bounds: how much waits, and is in hand.
        clock: a monotonic clock, in seconds.
    """

    def __init__(  # noqa: PLR0913 -- the composition root is its only caller
        self,
        kind: str,
        handle: Handle,
        send: Callable[[list[OutgoingMessage]], Awaitable[None]],
        turned_away: RejectionObserver,
        has_place: Callable[[str, str], bool],
        *,
        bounds: Bounds = Bounds(),  # noqa: B008 -- it is immutable
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kind = kind
        self._handle = handle
        self._send = send
        self._turned_away = turned_away
        self._has_place = has_place
        self._clock = clock
        self._arrivals = Arrivals(bounds)
        self._tasks: set[asyncio.Task[None]] = set()
        self._beginning = False
        self._told_second = 0
        self._told: dict[str, int] = {}
        """How many of each client's messages were answered in this second that its backlog is full."""
        self._logged_at: float | None = None

    @property
    def in_flight(self) -> int:
        """How many messages are being handled."""
        return len(self._tasks)

    def drops(self, client: str) -> bool:
        """Tell whether a message of ``client`` would be dropped without an answer; if so, it is counted."""
        if self._told.get(client, 0) < TOLD_A_SECOND or not self._arrivals.is_full(client):
            return False
        if int(self._clock()) != self._told_second:
            return False
        self._turned_away(self._kind, told=False)
        return True

    async def take(self, message: Msg) -> None:
        """Sort a message in: nats-py calls this."""
        incoming = IncomingMessage(message.subject, message.reply, message.headers or {}, message.data)
        client = client_of(incoming)
        match self._arrivals.add(client, incoming):
            case Arrival.TAKEN:
                self._begin_soon()
            case Arrival.FULL:
                await self._turn_away(client, incoming)
            case Arrival.REPEATED:
                pass

    async def drain(self) -> None:
        """Wait until all that was taken is handled; nothing may arrive any more."""
        while len(self._arrivals):
            self._begin_soon()
            await asyncio.sleep(0)
            if self._tasks:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    def _begin_soon(self) -> None:
        if not self._beginning:
            self._beginning = True
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        """Begin one, and the next with the loop's next turn: so the other origin is never far behind."""
        self._beginning = False
        if begun := self._arrivals.begin():
            task = asyncio.create_task(self._handled(*begun))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self._begin_soon()

    async def _handled(self, client: str, incoming: IncomingMessage) -> None:
        try:
            await self._send(await self._handle(incoming))
        finally:
            self._arrivals.end(client, incoming)
            self._begin_soon()

    async def _turn_away(self, client: str, incoming: IncomingMessage) -> None:
        now = self._clock()
        if self._logged_at is None or now - self._logged_at >= _LOGGED_SECONDS:
            self._logged_at = now
            log.warning("client_line_full", kind=self._kind, client=client)
        told = (
            subjects.is_reply_allowed(incoming.reply_to)
            and self._may_tell(client, int(now))
            and not self._has_place(client, incoming.headers.get(headers.CHAT_ID, ""))
        )
        self._turned_away(self._kind, told=told)
        if told:
            wants = (
                EventLevel.TOKEN
                if incoming.headers.get(headers.CHAT_EVENTS) == EventLevel.TOKEN
                else EventLevel.NONE
            )
            replies = Replies(incoming.reply_to, wants)
            replies.error(_FULL)
            await self._send(replies.messages)

    def _may_tell(self, client: str, second: int) -> bool:
        if second != self._told_second:
            self._told_second = second
            self._told.clear()
        self._told[client] = told = self._told.get(client, 0) + 1
        return told <= TOLD_A_SECOND


def client_of(incoming: IncomingMessage) -> str:
    """Return whose backlog a message is for: the account's, or that of the client that the gateway names."""
    _, _, origin, *_ = incoming.subject.split(".", 3)
    return incoming.headers.get(headers.CHAT_CLIENT, origin) if origin == subjects.GATEWAY else origin


_FULL = RequestError(
    ErrorCode.CLIENT_QUEUE_FULL,
    "too many of your messages wait to be looked at; try again later, and send fewer at once",
    retry_after=RETRY_AFTER,
)
