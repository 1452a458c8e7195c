"""An answer as chunks: https://platform.openai.com/docs/api-reference/chat-streaming/object."""

from typing import Any
from uuid import UUID

from stile_contracts.messages import AcceptedEvent, PositionEvent, Reply, StartedEvent, TokenEvent
from stile_gateway.dialects.continuation import Continuation, Piece
from stile_gateway.dialects.openai.answer import (
    UNKNOWN_MODEL,
    completion_id,
    extensions_of,
    logprobs_of,
    usage_of,
)
from stile_gateway.dialects.openai.errors import openai_error
from stile_gateway.dialects.sse import KEEP_ALIVE, MEDIA_TYPE, json_event, position_comment
from stile_gateway.errors import GatewayError
from stile_gateway.requests.events import ReplyEvent


class Chunks:
    """Writes one stream. What was sent is never taken back: OpenAI's clients know no reset.

    Args:
        chat_id: the request's.
        created: when it came, in seconds since the Unix epoch.
        model: the model that the client named, until the worker names its own.
        include_usage: whether a last chunk has the counts of tokens.
    """

    media_type = MEDIA_TYPE
    keep_alive = KEEP_ALIVE

    def __init__(self, chat_id: UUID, created: int, model: str | None, *, include_usage: bool) -> None:
        self._head = {"id": completion_id(chat_id), "object": "chat.completion.chunk", "created": created}
        self._model = model or UNKNOWN_MODEL
        self._include_usage = include_usage
        self._has_role = False
        self._sent = Continuation()

    def event(self, event: ReplyEvent) -> bytes:
        """Write one event; nothing is sent of an empty one.

        Raises:
            InternalError: the answer is not the one that was begun.
        """
        match event.body:
            case AcceptedEvent() | PositionEvent() as queued:
                return position_comment(queued)
            case StartedEvent() as started:
                self._model = started.model or self._model
                self._sent.begin(event.attempt)
                return self._role()
            case TokenEvent() as token:
                return self._piece(self._sent.token(token, event.attempt))
            case Reply() as reply:
                return self._done(reply)

    def error(self, error: GatewayError) -> bytes:
        """Write the end of a stream that failed."""
        return json_event(openai_error(error))

    def _done(self, reply: Reply) -> bytes:
        missing = self._sent.rest(reply)
        self._model = reply.model or self._model
        rest = self._piece(missing)
        end = self._chunk({}, reason=reply.finish_reason or "stop", **extensions_of(reply))
        usage = self._counts(usage_of(reply)) if self._include_usage else b""
        return self._role() + rest + end + usage + b"data: [DONE]\n\n"

    def _role(self) -> bytes:
        if self._has_role:
            return b""
        self._has_role = True
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def _piece(self, piece: Piece) -> bytes:
        if not any(piece):
            return b""
        role = self._role()
        delta: dict[str, Any] = {}
        if piece.thought:
            delta["reasoning_content"] = piece.thought
        if piece.text or not (piece.calls or piece.thought):
            delta["content"] = piece.text
        if piece.calls:
            delta["tool_calls"] = piece.calls
        return role + self._chunk(delta, logprobs={"content": piece.logprobs} if piece.logprobs else None)

    def _chunk(
        self,
        delta: dict[str, Any],
        *,
        reason: str | None = None,
        logprobs: dict[str, Any] | None = None,
        **extensions: object,
    ) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs_of(logprobs), "finish_reason": reason}
        usage = {"usage": None} if self._include_usage else {}
        return json_event({**self._head, "model": self._model, "choices": [choice], **usage, **extensions})

    def _counts(self, usage: dict[str, int]) -> bytes:
        return json_event({**self._head, "model": self._model, "choices": [], "usage": usage})
