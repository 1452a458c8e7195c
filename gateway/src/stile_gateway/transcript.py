"""What was heard of one request, for whoever listens now and whoever joins later."""

import asyncio
from collections.abc import AsyncGenerator
from typing import NamedTuple

from pydantic import ValidationError

from stile_contracts.messages import EventKind, TokenEvent
from stile_gateway.errors import GatewayError
from stile_gateway.hearing import Said

MAX_KEPT_BYTES = 1024 * 1024
"""Of an answer's pieces; what comes after them is told by ``done`` alone."""


class _Piece(NamedTuple):
    """A token that is more than text."""

    start: int
    """How many characters stand before it."""
    token: TokenEvent


class Transcript:
    """Keeps the place, the latest attempt's text, and the end.

    Whoever reads slowly gets the text in larger pieces: a reader costs no memory, and holds up nobody.
    A piece that is missing ends the text, and so does one beyond ``MAX_KEPT_BYTES``: ``done`` tells all.
    """

    def __init__(self) -> None:
        self.dropped = 0
        """Tokens that are not kept."""
        self.accepted: Said | None = None
        self.place: Said | None = None
        self.started: Said | None = None
        self.attempt = 0
        self.text = ""
        self.pieces: list[_Piece] = []
        self.end: Said | GatewayError | None = None
        self._bytes = 0
        self._whole = True
        self._changed = asyncio.Event()

    def hear(self, said: Said) -> None:
        """Add what was heard; a higher attempt takes the place of the lower."""
        match said.event:
            case EventKind.ACCEPTED:
                self.accepted = said
            case EventKind.POSITION:
                self.place = said
            case EventKind.STARTED:
                self._begin(said.attempt)
                self.started = said
                self._whole = True
            case EventKind.TOKEN:
                if said.attempt != self.attempt:
                    self._begin(said.attempt)
                self._add(said)
            case EventKind.DONE:
                self.end = said
        self._tell()

    def fail(self, error: GatewayError) -> None:
        """End with ``error``."""
        self.end = error
        self._tell()

    async def outcome(self) -> Said:
        """Wait for ``done``.

        Raises:
            GatewayError: there is no answer.
        """
        while self.end is None:
            await self._changed.wait()
        if isinstance(self.end, GatewayError):
            raise self.end.with_traceback(None)
        return self.end

    async def follow(self, pulse: float) -> AsyncGenerator[Said | None, None]:
        """Yield what was heard so far, then what follows, up to ``done``; None for a silent ``pulse``.

        Raises:
            GatewayError: there is no answer.
        """
        cursor = _Cursor(self)
        while True:
            if (said := cursor.next()) is not None:
                yield said
            elif self.end is not None:
                yield await self.outcome()
                return
            else:
                try:
                    async with asyncio.timeout(None if pulse == float("inf") else pulse):
                        await self._changed.wait()
                except TimeoutError:
                    yield None

    def _begin(self, attempt: int) -> None:
        # Without its `started`, an attempt after the first could not be told from the one before it.
        self._whole = self.attempt == 0
        self.attempt = attempt
        self.started = None
        self.text = ""
        self.pieces = []
        self._bytes = 0

    def _add(self, said: Said) -> None:
        token = None if said.after_gap else _token(said.body)
        if token is None or self._bytes + len(said.body) > MAX_KEPT_BYTES:
            self._whole = False
        if token is None or not self._whole:
            self.dropped += 1
            return
        self._bytes += len(said.body)
        if token.tool_calls is not None or token.logprobs is not None:
            self.pieces.append(_Piece(len(self.text), token))
        self.text += token.text

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class _Cursor:
    """How far one reader has come."""

    def __init__(self, transcript: Transcript) -> None:
        self._of = transcript
        self._accepted = False
        self._place: Said | None = None
        self._started: Said | None = None
        self._attempt = 0
        self._chars = 0
        self._pieces = 0

    def next(self) -> Said | None:
        """Return what comes next, or None where all is read."""
        of = self._of
        if of.accepted is not None and not self._accepted:
            self._accepted = True
            return of.accepted
        if of.place is not self._place and of.attempt == 0:
            self._place = of.place
            return of.place
        if of.attempt != self._attempt:
            self._attempt, self._chars, self._pieces = of.attempt, 0, 0
        if of.started is not self._started:
            self._started = of.started
            if of.started is not None:
                return of.started
        return self._token()

    def _token(self) -> Said | None:
        of = self._of
        if self._pieces < len(of.pieces):
            piece = of.pieces[self._pieces]
            if piece.start == self._chars:
                self._pieces += 1
                self._chars += len(piece.token.text)
                return self._say(piece.token)
            upto = piece.start
        else:
            upto = len(of.text)
        if upto == self._chars:
            return None
        text = of.text[self._chars : upto]
        self._chars = upto
        return self._say(TokenEvent(text=text))

    def _say(self, token: TokenEvent) -> Said:
        return Said(EventKind.TOKEN, self._attempt, token.model_dump_json(exclude_none=True).encode())


def _token(body: bytes) -> TokenEvent | None:
    try:
        return TokenEvent.model_validate_json(body)
    except ValidationError:
        return None
