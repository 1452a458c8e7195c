"""A response as events: https://platform.openai.com/docs/api-reference/responses-streaming."""

from typing import Any

from stile_contracts.messages import AcceptedEvent, PositionEvent, Reply, StartedEvent, TokenEvent
from stile_gateway.dialects.continuation import Continuation, Piece
from stile_gateway.dialects.openai.errors import openai_error
from stile_gateway.dialects.responses.answer import (
    Shape,
    place,
    reasoning_part,
    status_of,
    text_part,
    token_logprobs,
)
from stile_gateway.dialects.responses.items import call_item_id, message_id, reasoning_id
from stile_gateway.dialects.sse import KEEP_ALIVE, MEDIA_TYPE, json_event
from stile_gateway.errors import GatewayError
from stile_gateway.requests.events import ReplyEvent


class ResponseEvents:
    """Writes one stream. What was sent is never taken back: the API knows no reset.

    Args:
        shape: the response.
    """

    media_type = MEDIA_TYPE
    keep_alive = KEEP_ALIVE

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._message_id = message_id(shape.chat_id)
        self._reasoning_id = reasoning_id(shape.chat_id)
        self._sent = Continuation()
        self._number = 0
        self._is_created = False
        self._is_begun = False
        self._items = 0  # items that were begun
        self._thought: str | None = None  # what was thought; its item is the first
        self._has_thought_open = False
        self._text: int | None = None  # the index of the text's item
        self._has_text_open = False
        self._said = ""
        self._logprobs: list[dict[str, Any]] = []
        self._calls: list[dict[str, Any]] = []
        self._first_call = 0  # the index of the first call's item

    def event(self, event: ReplyEvent) -> bytes:
        """Write one event; nothing is sent of an empty one.

        Raises:
            InternalError: the answer is not the one that was begun.
        """
        match event.body:
            case AcceptedEvent() | PositionEvent() as queued:
                response = self._shape.open("queued")
                return self._created("queued") + self._write(
                    "response.queued", response=response, **place(queued)
                )
            case StartedEvent() as started:
                self._shape.model = started.model or self._shape.model
                self._sent.begin(event.attempt)
                return self._begun()
            case TokenEvent() as token:
                return self._begun() + self._piece(self._sent.token(token, event.attempt))
            case Reply() as reply:
                return self._begun() + self._done(reply)

    def error(self, error: GatewayError) -> bytes:
        """Write the end of a stream that failed.

        The error stands in the event itself too: openai-python and openai-node raise it then.
        """
        body = openai_error(error)["error"]
        told = {name: body[name] for name in ("code", "message", "param")}
        written = self._created("in_progress") + self._write("error", **told, error=body)
        return written + self._write("response.failed", response=self._shape.failed(error))

    def _created(self, status: str) -> bytes:
        if self._is_created:
            return b""
        self._is_created = True
        return self._write("response.created", response=self._shape.open(status))

    def _begun(self) -> bytes:
        if self._is_begun:
            return b""
        self._is_begun = True
        created = self._created("in_progress")
        return created + self._write("response.in_progress", response=self._shape.open("in_progress"))

    def _piece(self, piece: Piece) -> bytes:
        written = b""
        if piece.thought and self._items == (self._thought is not None):  # a later one comes with the end
            written += self._think(piece.thought)
        if (piece.text or piece.logprobs) and not self._calls:  # text after a call comes with the end
            logprobs = token_logprobs(piece.logprobs) if piece.logprobs else []
            self._said += piece.text
            self._logprobs += logprobs
            written += self._begin_text() + self._write(
                "response.output_text.delta", **self._text_part(), delta=piece.text, logprobs=logprobs
            )
        for call in piece.calls or ():
            written += self._call(call)
        return written

    def _think(self, thought: str) -> bytes:
        written = b""
        if self._thought is None:
            self._thought, self._has_thought_open = "", True
            self._items += 1
            item = self._shape.reasoning([], "in_progress")
            part = reasoning_part("")
            written += self._write("response.output_item.added", output_index=0, item=item)
            written += self._write("response.content_part.added", **self._thought_part(), part=part)
        self._thought += thought
        return written + self._write("response.reasoning_text.delta", **self._thought_part(), delta=thought)

    def _thought_part(self) -> dict[str, Any]:
        return {"item_id": self._reasoning_id, "output_index": 0, "content_index": 0}

    def _end_thought(self) -> bytes:
        if not self._has_thought_open:
            return b""
        self._has_thought_open = False
        text = self._thought or ""
        part = reasoning_part(text)
        item = self._shape.reasoning([part], "completed")
        return (
            self._write("response.reasoning_text.done", **self._thought_part(), text=text)
            + self._write("response.content_part.done", **self._thought_part(), part=part)
            + self._write("response.output_item.done", output_index=0, item=item)
        )

    def _begin_text(self) -> bytes:
        if self._text is not None:
            return b""
        ended = self._end_thought()
        self._text, self._has_text_open = self._items, True
        self._items += 1
        item = {**self._shape.message("", [], "in_progress"), "content": []}
        added = self._write("response.output_item.added", output_index=self._text, item=item)
        part = self._write("response.content_part.added", **self._text_part(), part=text_part("", []))
        return ended + added + part

    def _text_part(self) -> dict[str, Any]:
        return {"item_id": self._message_id, "output_index": self._text, "content_index": 0}

    def _end_text(self, status: str) -> bytes:
        if not self._has_text_open:
            return b""
        self._has_text_open = False
        text, logprobs = self._said, self._logprobs
        item = self._shape.message(text, logprobs, status)
        return (
            self._write("response.output_text.done", **self._text_part(), text=text, logprobs=logprobs)
            + self._write("response.content_part.done", **self._text_part(), part=text_part(text, logprobs))
            + self._write("response.output_item.done", output_index=self._text, item=item)
        )

    def _call(self, delta: dict[str, Any]) -> bytes:
        written, index = b"", delta["index"]
        function = delta.get("function") or {}
        if index == len(self._calls):
            written += self._end_thought() + self._end_text("completed") + self._end_call()
            self._first_call = self._first_call if self._calls else self._items
            self._items += 1
            begun = {"call_id": delta.get("id") or "", "name": function.get("name") or "", "arguments": ""}
            self._calls.append(begun)
            item = self._shape.call(index, **begun, status="in_progress")
            written += self._write(
                "response.output_item.added", output_index=self._first_call + index, item=item
            )
        if arguments := function.get("arguments"):
            self._calls[index]["arguments"] += arguments
            written += self._write(
                "response.function_call_arguments.delta", **self._call_part(index), delta=arguments
            )
        return written

    def _call_part(self, index: int) -> dict[str, Any]:
        return {
            "item_id": call_item_id(self._shape.chat_id, index),
            "output_index": self._first_call + index,
        }

    def _end_call(self) -> bytes:
        """End the latest call."""
        if not self._calls:
            return b""
        index = len(self._calls) - 1
        call = self._calls[index]
        done = {"name": call["name"], "arguments": call["arguments"]}
        return self._write(
            "response.function_call_arguments.done", **self._call_part(index), **done
        ) + self._write(
            "response.output_item.done",
            output_index=self._first_call + index,
            item=self._shape.call(index, **call),
        )

    def _done(self, reply: Reply) -> bytes:
        response = self._shape.done(reply)
        written = self._piece(self._sent.rest(reply))
        if self._text is None and not self._calls:
            written += self._begin_text()
        written += self._end_text(status_of(reply))
        written += self._end_call()
        return written + self._write(f"response.{response['status']}", response=response)

    def _write(self, kind: str, **fields: object) -> bytes:
        body = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        return json_event(body, kind)
