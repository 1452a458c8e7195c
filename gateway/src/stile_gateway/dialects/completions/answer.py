"""A text completion in the shape of OpenAI's API, whole or as chunks.

https://platform.openai.com/docs/api-reference/completions/object.
"""

from typing import Any
from uuid import UUID

from stile_contracts.messages import AcceptedEvent, PositionEvent, Reply, StartedEvent, TokenEvent
from stile_gateway.dialects.completions.request import TextCompletionCall
from stile_gateway.dialects.continuation import Continuation
from stile_gateway.dialects.openai.answer import UNKNOWN_MODEL, extensions_of, usage_of
from stile_gateway.dialects.openai.errors import openai_error
from stile_gateway.dialects.sse import KEEP_ALIVE, MEDIA_TYPE, json_event, position_comment
from stile_gateway.errors import GatewayError
from stile_gateway.requests.events import ReplyEvent


class TextShape:
    """Writes one text completion, whole or a piece of it.

    Args:
        chat_id: the request's.
        call: what was asked.
    """

    def __init__(self, chat_id: UUID, call: TextCompletionCall) -> None:
        self.model = call.model or UNKNOWN_MODEL
        """The worker's own, as soon as it is known."""
        self._head = {"id": f"cmpl-{chat_id}", "object": "text_completion", "created": call.created}

    def whole(self, reply: Reply) -> dict[str, Any]:
        """Return a whole answer."""
        self.model = reply.model or self.model
        reason = reply.finish_reason or "stop"
        return {**self.piece(reply.response, reason), "usage": usage_of(reply), **extensions_of(reply)}

    def piece(self, text: str, reason: str | None = None) -> dict[str, Any]:
        """Return a piece of the text, or its end."""
        choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": reason}
        return {**self._head, "model": self.model, "choices": [choice]}

    def counts(self, reply: Reply) -> dict[str, Any]:
        """Return the counts of tokens."""
        return {**self._head, "model": self.model, "choices": [], "usage": usage_of(reply)}


class TextChunks:
    """Writes one stream. What was sent is never taken back: OpenAI's clients know no reset.

    Args:
        chat_id: the request's.
        call: what was asked.
    """

    media_type = MEDIA_TYPE
    keep_alive = KEEP_ALIVE

    def __init__(self, chat_id: UUID, call: TextCompletionCall) -> None:
        self._shape = TextShape(chat_id, call)
        self._include_usage = call.include_usage
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
                self._shape.model = started.model or self._shape.model
                self._sent.begin(event.attempt)
                return b""
            case TokenEvent() as token:
                return self._piece(self._sent.token(token, event.attempt).text)
            case Reply() as reply:
                return self._done(reply)

    def error(self, error: GatewayError) -> bytes:
        """Write the end of a stream that failed."""
        return json_event(openai_error(error))

    def _piece(self, text: str) -> bytes:
        return json_event(self._shape.piece(text)) if text else b""

    def _done(self, reply: Reply) -> bytes:
        self._shape.model = reply.model or self._shape.model
        rest = self._piece(self._sent.rest(reply).text)
        end = json_event({**self._shape.piece("", reply.finish_reason or "stop"), **extensions_of(reply)})
        usage = json_event(self._shape.counts(reply)) if self._include_usage else b""
        return rest + end + usage + b"data: [DONE]\n\n"
