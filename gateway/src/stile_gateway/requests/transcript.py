"""All events of one request, for the clients that listen now and for those that join later."""

import asyncio
from collections.abc import AsyncGenerator
from typing import NamedTuple

from stile_contracts.messages import AcceptedEvent, PositionEvent, Reply, StartedEvent, TokenEvent
from stile_gateway.errors import GatewayError
from stile_gateway.requests.events import ReplyEvent

MAX_KEPT_BYTES = 1024 * 1024
"""Of an answer's tokens; the text after them comes with ``done`` alone."""


class _RichToken(NamedTuple):
    """A token that is more than text."""

    start: int
    """How many characters are before it."""
    token: TokenEvent


class Transcript:
    """Keeps the position, the text of the latest attempt, and the end.

    A slow reader gets the text in larger pieces: it costs no memory, and delays no other reader. The text
    ends at a missing token, and at ``MAX_KEPT_BYTES``; ``done`` carries all of it.
    """

    def __init__(self) -> None:
        self.dropped = 0
        """Tokens that are not kept."""
        self.accepted: ReplyEvent | None = None
        self.position: ReplyEvent | None = None
        self.started: ReplyEvent | None = None
        self.attempt = 0
        self.text = ""
        self.rich_tokens: list[_RichToken] = []
        self.end: ReplyEvent | GatewayError | None = None
        self._bytes = 0
        self._is_whole = True
        self._changed = asyncio.Event()

    def add(self, event: ReplyEvent) -> None:
        """Add an event; a higher attempt replaces the lower."""
        match event.body:
            case AcceptedEvent():
                self.accepted = event
            case PositionEvent():
                self.position = event
            case StartedEvent():
                self._begin(event.attempt)
                self.started = event
                self._is_whole = True
            case TokenEvent() as token:
                if event.attempt != self.attempt:
                    self._begin(event.attempt)
                self._add_token(token, len(event.raw or b""), after_gap=event.after_gap)
            case Reply():
                self.end = event
        self._notify()

    def fail(self, error: GatewayError) -> None:
        """End with ``error``."""
        self.end = error
        self._notify()

    async def result(self) -> ReplyEvent:
        """Wait for ``done``.

        Raises:
            GatewayError: there is no answer.
        """
        while self.end is None:
            await self._changed.wait()
        if isinstance(self.end, GatewayError):
            raise self.end.with_traceback(None)
        return self.end

    async def follow(self, pulse: float) -> AsyncGenerator[ReplyEvent | None, None]:
        """Yield what is there, then what follows, up to ``done``; None for a silent ``pulse``, in seconds.

        Raises:
            GatewayError: there is no answer.
        """
        cursor = _Cursor(self)
        while True:
            if (event := cursor.next()) is not None:
                yield event
            elif self.end is not None:
                yield await self.result()
                return
            else:
                try:
                    async with asyncio.timeout(None if pulse == float("inf") else pulse):
                        await self._changed.wait()
                except TimeoutError:
                    yield None

    def _begin(self, attempt: int) -> None:
        # Without its `started`, an attempt after the first could not be told from the one before it.
        self._is_whole = self.attempt == 0
        self.attempt = attempt
        self.started = None
        self.text = ""
        self.rich_tokens = []
        self._bytes = 0

    def _add_token(self, token: TokenEvent, size: int, *, after_gap: bool) -> None:
        if after_gap or self._bytes + size > MAX_KEPT_BYTES:
            self._is_whole = False
        if not self._is_whole:
            self.dropped += 1
            return
        self._bytes += size
        if token.more_than_text:
            self.rich_tokens.append(_RichToken(len(self.text), token))
        self.text += token.text

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class _Cursor:
    """How far one reader has come."""

    def __init__(self, transcript: Transcript) -> None:
        self._of = transcript
        self._has_accepted = False
        self._position: ReplyEvent | None = None
        self._started: ReplyEvent | None = None
        self._attempt = 0
        self._chars = 0
        self._rich_tokens = 0

    def next(self) -> ReplyEvent | None:
        """Return what comes next, or None if all is read."""
        of = self._of
        if of.accepted is not None and not self._has_accepted:
            self._has_accepted = True
            return of.accepted
        if of.position is not self._position and of.attempt == 0:
            self._position = of.position
            return of.position
        if of.attempt != self._attempt:
            self._attempt, self._chars, self._rich_tokens = of.attempt, 0, 0
        if of.started is not self._started:
            self._started = of.started
            if of.started is not None:
                return of.started
        return self._token()

    def _token(self) -> ReplyEvent | None:
        of = self._of
        if self._rich_tokens < len(of.rich_tokens):
            rich = of.rich_tokens[self._rich_tokens]
            if rich.start == self._chars:
                self._rich_tokens += 1
                self._chars += len(rich.token.text)
                return ReplyEvent(rich.token, self._attempt)
            upto = rich.start
        else:
            upto = len(of.text)
        if upto == self._chars:
            return None
        text = of.text[self._chars : upto]
        self._chars = upto
        return ReplyEvent(TokenEvent.model_construct(text=text), self._attempt)
