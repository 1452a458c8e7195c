"""An answer as chunks: https://platform.openai.com/docs/api-reference/chat-streaming/object."""

import json
import math
from typing import Any
from uuid import UUID

from fastapi.sse import format_sse_event

from stile_contracts.messages import AcceptedEvent, PositionEvent, Reply, StartedEvent, TokenEvent
from stile_gateway.dialects.openai.answer import (
    UNKNOWN_MODEL,
    completion_id,
    extensions_of,
    logprobs_of,
    usage_of,
)
from stile_gateway.dialects.openai.errors import openai_error
from stile_gateway.errors import GatewayError, InternalError
from stile_gateway.requests.events import ReplyEvent


class Chunks:
    """Writes one stream. What was sent is never taken back: OpenAI's clients know no reset.

    If another attempt begins, its tokens are held back until they begin with what was sent; ``done`` has
    all. If they begin otherwise, the stream ends with an error.

    Args:
        chat_id: the request's.
        created: when it came, in seconds since the Unix epoch.
        model: the model that the client named, until the worker names its own.
        include_usage: whether a last chunk has the counts of tokens.
    """

    media_type = "text/event-stream"
    keep_alive = b": keep-alive\n\n"

    def __init__(self, chat_id: UUID, created: int, model: str | None, *, include_usage: bool) -> None:
        self._head = {"id": completion_id(chat_id), "object": "chat.completion.chunk", "created": created}
        self._model = model or UNKNOWN_MODEL
        self._include_usage = include_usage
        self._has_role = False
        self._text = ""
        self._calls: list[dict[str, Any]] = []
        self._logprobs = 0  # tokens whose logprobs were sent
        self._reasoning = ""
        self._attempt = 0
        self._again: str | None = None  # the text of a later attempt, until it has caught up

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
                self._begin(event.attempt)
                return self._role()
            case TokenEvent() as token:
                self._begin(event.attempt)
                return self._token(token)
            case Reply() as reply:
                return self._done(reply)

    def error(self, error: GatewayError) -> bytes:
        """Write the end of a stream that failed."""
        return _data(openai_error(error))

    def _begin(self, attempt: int) -> None:
        if attempt != self._attempt:
            self._attempt = attempt
            self._again = "" if self._text or self._calls or self._reasoning else None

    def _token(self, token: TokenEvent) -> bytes:
        if self._again is None:
            return self._piece(token.text, token.tool_calls, token.logprobs, token.reasoning_content)
        self._again += token.text
        if self._calls or self._logprobs or self._reasoning:
            return b""  # only the whole answer can be compared
        if not self._again.startswith(self._text):
            if self._text.startswith(self._again):
                return b""
            raise _another()
        rest, self._again = self._again[len(self._text) :], None
        return self._piece(rest, token.tool_calls, None)

    def _done(self, reply: Reply) -> bytes:
        reasoning = reply.reasoning_content or ""
        if not reply.response.startswith(self._text) or not reasoning.startswith(self._reasoning):
            raise _another()
        self._model = reply.model or self._model
        known = (reply.logprobs or {}).get("content") or []
        logprobs = {"content": known[self._logprobs :]} if known[self._logprobs :] else None
        rest = self._piece(
            reply.response[len(self._text) :],
            self._missing_calls(reply),
            logprobs,
            reasoning[len(self._reasoning) :],
        )
        end = self._chunk({}, reason=reply.finish_reason or "stop", **extensions_of(reply))
        usage = self._counts(usage_of(reply)) if self._include_usage else b""
        return self._role() + rest + end + usage + b"data: [DONE]\n\n"

    def _role(self) -> bytes:
        if self._has_role:
            return b""
        self._has_role = True
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def _piece(
        self,
        text: str,
        calls: list[dict[str, Any]] | None,
        logprobs: dict[str, Any] | None,
        reasoning: str | None = None,
    ) -> bytes:
        if not text and not calls and not logprobs and not reasoning:
            return b""
        role = self._role()
        delta: dict[str, Any] = {}
        if reasoning:
            delta["reasoning_content"] = reasoning
            self._reasoning += reasoning
        if text or not (calls or reasoning):
            delta["content"] = text
        if calls:
            delta["tool_calls"] = calls
        self._text += text
        for call in calls or ():
            self._keep(call)
        self._logprobs += len((logprobs or {}).get("content") or ())
        return role + self._chunk(delta, logprobs=logprobs)

    def _keep(self, delta: dict[str, Any]) -> None:
        if delta.get("index") == len(self._calls):
            self._calls.append({"id": "", "name": "", "arguments": ""})
        try:
            call = self._calls[delta["index"]]
            call["id"] += delta.get("id") or ""
            function = delta.get("function") or {}
            call["name"] += function.get("name") or ""
            call["arguments"] += function.get("arguments") or ""
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise InternalError("A call of a tool could not be read.") from error

    def _missing_calls(self, reply: Reply) -> list[dict[str, Any]]:
        """Return the deltas that make what was sent the reply's calls."""
        missing: list[dict[str, Any]] = []
        calls = reply.tool_calls or []
        if len(self._calls) > len(calls):
            raise _another()
        for index, call in enumerate(calls):
            if index >= len(self._calls):
                missing.append({"index": index, **call.model_dump(mode="json")})
                continue
            sent = self._calls[index]
            arguments = call.function.arguments
            if (sent["id"], sent["name"]) != (call.id, call.function.name):
                raise _another()
            if not arguments.startswith(sent["arguments"]):
                raise _another()
            if rest := arguments[len(sent["arguments"]) :]:
                missing.append({"index": index, "function": {"arguments": rest}})
        return missing

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
        return _data({**self._head, "model": self._model, "choices": [choice], **usage, **extensions})

    def _counts(self, usage: dict[str, int]) -> bytes:
        return _data({**self._head, "model": self._model, "choices": [], "usage": usage})


def position_comment(queued: AcceptedEvent | PositionEvent) -> bytes:
    """Write a position in the queue as a comment: ``: position 2, about 20 s``."""
    text = "queued" if queued.position is None else f"position {queued.position}"
    if queued.estimate_seconds is not None:
        text += f", about {math.ceil(queued.estimate_seconds)} s"
    return format_sse_event(comment=text)


def _data(body: dict[str, Any]) -> bytes:
    return format_sse_event(data_str=json.dumps(body, ensure_ascii=False, separators=(",", ":")))


def _another() -> InternalError:
    return InternalError("The answer was begun anew and is another one now; ask again.")
