"""A chat's answer as OpenAI's API tells it: whole, or as the chunks of a stream.

Shapes: https://platform.openai.com/docs/api-reference/chat/object and .../chat-streaming/object.
"""

import json
import math
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from stile_contracts.messages import EventKind, PositionEvent, Reply, StartedEvent, TokenEvent
from stile_gateway.errors import GatewayError, InternalError
from stile_gateway.hearing import Said
from stile_gateway.openai.errors import openai_error

UNKNOWN_MODEL = "unknown"
"""Where no part has named a model: a refusal has met none."""
_NO_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def completion_id(chat_id: UUID) -> str:
    """Name a completion by its chat's id."""
    return f"chatcmpl-{chat_id}"


def completion(reply: Reply, created: int, model: str | None) -> dict[str, Any]:
    """Return a whole answer.

    Args:
        reply: what was answered.
        created: when it was asked for, in seconds since the Unix epoch.
        model: the model that was asked for, where the reply names none.
    """
    calls = _calls(reply)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if calls and not reply.response else reply.response,
        "refusal": None,
    }
    if calls:
        message["tool_calls"] = calls
    choice = {
        "index": 0,
        "message": message,
        "logprobs": _logprobs(reply.logprobs),
        "finish_reason": reply.finish_reason or "stop",
    }
    return {
        "id": completion_id(reply.id),
        "object": "chat.completion",
        "created": created,
        "model": reply.model or model or UNKNOWN_MODEL,
        "choices": [choice],
        "usage": _usage(reply),
        **_extensions(reply),
    }


class Chunks:
    """Writes one stream; what was sent is never taken back (OpenAI's clients know no reset).

    After another attempt has begun, pieces are held back until what was sent is seen to be
    the beginning of what is told now; ``done`` tells all. Where it is not, the stream ends with an error.

    Args:
        chat_id: the request's.
        created: when it was asked for, in seconds since the Unix epoch.
        model: the model that was asked for, as long as no other is told.
        include_usage: whether a last chunk tells the counts of tokens.
    """

    def __init__(self, chat_id: UUID, created: int, model: str | None, *, include_usage: bool) -> None:
        self._head = {"id": completion_id(chat_id), "object": "chat.completion.chunk", "created": created}
        self._model = model or UNKNOWN_MODEL
        self._include_usage = include_usage
        self._has_role = False
        self._text = ""
        self._calls: list[dict[str, Any]] = []
        self._logprobs = 0  # tokens whose logprobs were sent
        self._attempt = 0
        self._again: str | None = None  # the text of a later attempt, until it has caught up

    def block(self, said: Said) -> bytes:
        """Return what is sent of one event; nothing is sent of an empty one.

        Raises:
            InternalError: the answer is not the one that was begun.
        """
        match said.event:
            case EventKind.ACCEPTED | EventKind.POSITION:
                return _place(said.body)
            case EventKind.STARTED:
                return self._started(said)
            case EventKind.TOKEN:
                return self._token(said)
            case EventKind.DONE if said.reply is not None:
                return self._done(said.reply)
        return b""

    def error(self, error: GatewayError) -> bytes:
        """Return the last block of a stream that failed."""
        return _data(openai_error(error))

    def _started(self, said: Said) -> bytes:
        try:
            self._model = StartedEvent.model_validate_json(said.body).model or self._model
        except ValidationError as error:
            raise InternalError("An event could not be read.") from error
        self._begin(said.attempt)
        return self._role()

    def _begin(self, attempt: int) -> None:
        if attempt != self._attempt:
            self._attempt = attempt
            self._again = "" if self._text or self._calls else None

    def _token(self, said: Said) -> bytes:
        try:
            token = TokenEvent.model_validate_json(said.body)
        except ValidationError as error:
            raise InternalError("An event could not be read.") from error
        self._begin(said.attempt)
        if self._again is None:
            return self._piece(token.text, token.tool_calls, token.logprobs)
        self._again += token.text
        if self._calls or self._logprobs:
            return b""  # only the whole answer can be compared
        if not self._again.startswith(self._text):
            if self._text.startswith(self._again):
                return b""
            raise _another()
        rest, self._again = self._again[len(self._text) :], None
        return self._piece(rest, token.tool_calls, None)

    def _done(self, reply: Reply) -> bytes:
        if not reply.response.startswith(self._text):
            raise _another()
        self._model = reply.model or self._model
        known = (reply.logprobs or {}).get("content") or []
        logprobs = {"content": known[self._logprobs :]} if known[self._logprobs :] else None
        rest = self._piece(reply.response[len(self._text) :], self._missing_calls(reply), logprobs)
        end = self._chunk({}, reason=reply.finish_reason or "stop", **_extensions(reply))
        usage = self._counts(_usage(reply)) if self._include_usage else b""
        return self._role() + rest + end + usage + b"data: [DONE]\n\n"

    def _role(self) -> bytes:
        if self._has_role:
            return b""
        self._has_role = True
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def _piece(self, text: str, calls: list[dict[str, Any]] | None, logprobs: dict[str, Any] | None) -> bytes:
        if not text and not calls and not logprobs:
            return b""
        role = self._role()
        delta: dict[str, Any] = {}
        if text or not calls:
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
        told = reply.tool_calls or []
        if len(self._calls) > len(told):
            raise _another()
        for index, call in enumerate(told):
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
        choice = {"index": 0, "delta": delta, "logprobs": _logprobs(logprobs), "finish_reason": reason}
        usage = {"usage": None} if self._include_usage else {}
        return _data({**self._head, "model": self._model, "choices": [choice], **usage, **extensions})

    def _counts(self, usage: dict[str, int]) -> bytes:
        return _data({**self._head, "model": self._model, "choices": [], "usage": usage})


def _place(body: bytes) -> bytes:
    """Write a place in the queue as a comment: ``: position 2, about 20 s``."""
    try:
        place = PositionEvent.model_validate_json(body)
    except ValidationError:
        return b": queued\n\n"
    told = "queued" if place.position is None else f"position {place.position}"
    if place.estimate_seconds is not None:
        told += f", about {math.ceil(place.estimate_seconds)} s"
    return f": {told}\n\n".encode()


def _data(body: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def _another() -> InternalError:
    return InternalError("The answer was begun anew and is another one now; ask again.")


def _calls(reply: Reply) -> list[dict[str, Any]]:
    return [call.model_dump(mode="json") for call in reply.tool_calls or ()]


def _logprobs(logprobs: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if logprobs is None else {"refusal": None, **logprobs}


def _usage(reply: Reply) -> dict[str, int]:
    return _NO_USAGE if reply.usage is None else reply.usage.model_dump()


def _extensions(reply: Reply) -> dict[str, Any]:
    """Return what Stile says beside OpenAI's fields; clients ignore what they do not know."""
    extensions: dict[str, Any] = {}
    if reply.timings is not None:
        extensions["timings"] = reply.timings.model_dump(exclude_none=True)
    if reply.refusal is not None:
        extensions["stile"] = {"refused": True, **reply.refusal.model_dump()}
    return extensions
