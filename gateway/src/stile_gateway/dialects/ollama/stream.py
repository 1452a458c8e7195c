"""An answer as lines of JSON: https://docs.ollama.com/api/streaming."""

from typing import Any

from stile_contracts.messages import AcceptedEvent, PositionEvent, Reply, StartedEvent, TokenEvent
from stile_gateway.dialects.continuation import Continuation, Piece
from stile_gateway.dialects.ollama.answer import Shape
from stile_gateway.dialects.ollama.errors import ollama_error
from stile_gateway.dialects.ollama.request import OllamaCall
from stile_gateway.dialects.replies import compact
from stile_gateway.errors import GatewayError
from stile_gateway.requests.events import ReplyEvent


class Lines:
    """Writes one stream. Every line has the same shape, since clients read an empty one as an error.

    Args:
        call: what was asked.
    """

    media_type = "application/x-ndjson"

    def __init__(self, call: OllamaCall) -> None:
        self._shape = Shape(call)
        self._sent = Continuation()

    @property
    def keep_alive(self) -> bytes:
        """A piece without text."""
        return line(self._shape.part(""))

    def event(self, event: ReplyEvent) -> bytes:
        """Write one event.

        Raises:
            InternalError: the answer is not the one that was begun.
            RelayedError: the model's call of a tool cannot be read.
        """
        match event.body:
            case AcceptedEvent() | PositionEvent() as queued:
                place = queued.model_dump(include={"position", "estimate_seconds"}, exclude_none=True)
                return line({**self._shape.part(""), "stile": {"state": "waiting", **place}})
            case StartedEvent() as started:
                self._shape.model = started.model or self._shape.model
                self._sent.begin(event.attempt)
                return b""
            case TokenEvent() as token:
                piece = self._sent.token(token, event.attempt)
                # A call is sent when it is whole.
                return self._piece(piece)
            case Reply() as reply:
                return self._done(reply)

    def error(self, error: GatewayError) -> bytes:
        """Write the end of a stream that failed."""
        return line(ollama_error(error))

    def _done(self, reply: Reply) -> bytes:
        rest = self._sent.rest(reply)
        self._shape.model = reply.model or self._shape.model
        written = self._piece(rest)
        if reply.tool_calls:
            written += line(self._shape.part("", calls=reply.tool_calls))
        return written + line(self._shape.last(reply))

    def _piece(self, piece: Piece) -> bytes:
        if not piece.text and not piece.thought and not piece.logprobs:
            return b""
        return line(self._shape.part(piece.text, thought=piece.thought, logprobs=piece.logprobs))


def line(body: dict[str, Any]) -> bytes:
    """Write a line."""
    return compact(body).encode() + b"\n"
