"""An answer as events: https://docs.claude.com/en/docs/build-with-claude/streaming."""

from typing import Any, Literal
from uuid import UUID

from fastapi.sse import format_sse_event

from stile_contracts.messages import AcceptedEvent, PositionEvent, Reply, StartedEvent, TokenEvent
from stile_gateway.dialects.anthropic.answer import call_id, ending, opening, thinking, usage_of
from stile_gateway.dialects.anthropic.errors import anthropic_error
from stile_gateway.dialects.anthropic.request import MessagesCall
from stile_gateway.dialects.continuation import Continuation, Piece
from stile_gateway.dialects.sse import MEDIA_TYPE, json_event, position_comment
from stile_gateway.errors import GatewayError, InternalError
from stile_gateway.requests.events import ReplyEvent

_Block = Literal["thinking", "text", "tool_use"]


class BlockEvents:
    """Writes one stream: a block of thoughts, a block of text, then a block for each call of a tool.

    Args:
        chat_id: the request's.
        call: what was asked.
    """

    media_type = MEDIA_TYPE
    keep_alive = b'event: ping\ndata: {"type":"ping"}\n\n'

    def __init__(self, chat_id: UUID, call: MessagesCall) -> None:
        self._chat_id = chat_id
        self._call = call
        self._sent = Continuation()
        self._has_begun = False
        self._block = -1
        """The index of the latest block."""
        self._open: _Block | None = None
        self._calls = 0
        """How many calls have a block."""

    def event(self, event: ReplyEvent) -> bytes:
        """Write one event.

        Raises:
            InternalError: the answer is not the one that was begun.
        """
        match event.body:
            case AcceptedEvent() | PositionEvent() as queued:
                return position_comment(queued)
            case StartedEvent() as started:
                self._sent.begin(event.attempt)
                return self._begin(started.model)
            case TokenEvent() as token:
                piece = self._sent.token(token, event.attempt)
                return self._begin(None) + self._piece(piece)
            case Reply() as reply:
                return self._done(reply)

    def error(self, error: GatewayError) -> bytes:
        """Write the end of a stream that failed."""
        return format_sse_event(event="error", data_str=anthropic_error(error).decode())

    def _begin(self, model: str | None) -> bytes:
        if self._has_begun:
            return b""
        self._has_begun = True
        return _write("message_start", message=opening(self._chat_id, model or self._call.model))

    def _done(self, reply: Reply) -> bytes:
        begun = self._begin(reply.model)
        rest = self._piece(self._sent.rest(reply))
        if self._block < 0 or (self._open == "thinking" and not reply.tool_calls):
            rest += self._start("text", {"type": "text", "text": ""})
        delta = ending(reply, self._call)
        usage = usage_of(reply)
        end = _write("message_delta", delta=delta, usage=usage) + _write("message_stop")
        return begun + rest + self._stop() + end

    def _piece(self, piece: Piece) -> bytes:
        written = self._thought(piece.thought) if piece.thought else b""
        written += self._text(piece.text) if piece.text else b""
        return written + b"".join(self._call_delta(delta) for delta in piece.calls or ())

    def _thought(self, thought: str) -> bytes:
        start = b"" if self._open == "thinking" else self._start("thinking", thinking(""))
        return start + self._delta({"type": "thinking_delta", "thinking": thought})

    def _text(self, text: str) -> bytes:
        start = b"" if self._open == "text" else self._start("text", {"type": "text", "text": ""})
        return start + self._delta({"type": "text_delta", "text": text})

    def _call_delta(self, delta: dict[str, Any]) -> bytes:
        function = delta.get("function") or {}
        written = b""
        if delta["index"] == self._calls:
            own = call_id(self._chat_id, self._calls, delta.get("id") or "")
            block: dict[str, Any] = {
                "type": "tool_use",
                "id": own,
                "name": function.get("name") or "",
                "input": {},
            }
            written = self._start("tool_use", block)
            self._calls += 1
        elif delta["index"] != self._calls - 1 or self._open != "tool_use":
            raise InternalError("Two calls of tools were written at once.")
        if arguments := function.get("arguments"):
            written += self._delta({"type": "input_json_delta", "partial_json": arguments})
        return written

    def _start(self, kind: _Block, block: dict[str, Any]) -> bytes:
        stopped = self._stop()
        self._block += 1
        self._open = kind
        return stopped + _write("content_block_start", index=self._block, content_block=block)

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _write("content_block_delta", index=self._block, delta=delta)

    def _stop(self) -> bytes:
        if self._open is None:
            return b""
        self._open = None
        return _write("content_block_stop", index=self._block)


def _write(kind: str, **fields: Any) -> bytes:  # noqa: ANN401 -- whatever JSON holds
    return json_event({"type": kind, **fields}, kind)
