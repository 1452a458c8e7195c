"""An answer as Ollama's API tells it: https://docs.ollama.com/api."""

import time
from datetime import UTC, datetime
from typing import Any

from stile_contracts import strict_json
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import ErrorReply, Reply, ToolCall
from stile_gateway.dialects.ollama.catalogue import tagged
from stile_gateway.dialects.ollama.request import OllamaCall
from stile_gateway.errors import RelayedError

_DONE_REASONS = {"length": "length", "content_filter": "content_filter"}
"""All other reasons are ``stop``, calls of tools too."""
_NANOSECONDS = 1_000_000_000


class Shape:
    """Writes the parts of one answer, of ``/api/chat`` or of ``/api/generate``.

    Args:
        call: what was asked.
    """

    def __init__(self, call: OllamaCall) -> None:
        self._call = call
        self.model = call.model
        """As the client named it, until the worker names its own."""

    def part(
        self,
        text: str,
        *,
        thought: str = "",
        calls: list[ToolCall] | None = None,
        logprobs: list[Any] | None = None,
    ) -> dict[str, Any]:
        """Return a piece that is not the last.

        Raises:
            RelayedError: the arguments of a call are no JSON object.
        """
        return {**self._text(text, thought, calls, logprobs), "done": False}

    def whole(self, reply: Reply) -> dict[str, Any]:
        """Return the answer in one.

        Raises:
            RelayedError: the arguments of a call are no JSON object.
        """
        logprobs = (reply.logprobs or {}).get("content") or None
        thought = reply.reasoning_content or ""
        return self.last(reply, reply.response, thought=thought, calls=reply.tool_calls, logprobs=logprobs)

    def last(
        self,
        reply: Reply,
        text: str = "",
        *,
        thought: str = "",
        calls: list[ToolCall] | None = None,
        logprobs: list[Any] | None = None,
    ) -> dict[str, Any]:
        """Return the last piece, with what the answer has cost."""
        self.model = reply.model or self.model
        last = {
            **self._text(text, thought, calls, logprobs),
            "done": True,
            "done_reason": _DONE_REASONS.get(reply.finish_reason or "", "stop"),
            "total_duration": int((time.monotonic() - self._call.began) * _NANOSECONDS),
            "load_duration": 0,
            **_costs(reply),
        }
        if reply.refusal is not None:
            place = place_of(reply.refusal.place, self._call)
            last["stile"] = {"refused": True, "category": reply.refusal.category, "place": place}
        return last

    def loaded(self) -> dict[str, Any]:
        """Return what a request is told that only loads or unloads the model."""
        return {**self._text("", "", None, None), "done": True, "done_reason": self._call.loads}

    def _text(
        self, text: str, thought: str, calls: list[ToolCall] | None, logprobs: list[Any] | None
    ) -> dict[str, Any]:
        part: dict[str, Any] = {"model": tagged(self.model), "created_at": _now()}
        if self._call.is_chat:
            message: dict[str, Any] = {"role": "assistant", "content": text}
            part["message"] = message
            if thought:
                message["thinking"] = thought
            if calls:
                message["tool_calls"] = [_called(index, call) for index, call in enumerate(calls)]
        else:
            part["response"] = text
            if thought:
                part["thinking"] = thought
        if logprobs:
            part["logprobs"] = logprobs
        return part


def place_of(place: str, call: OllamaCall) -> str:
    """Return where in the client's own request a place is."""
    for index, own in enumerate(call.places):
        if place == f"messages[{index}]":
            return own
    return "format" if place == "response_format" else place


def _called(index: int, call: ToolCall) -> dict[str, Any]:
    try:
        arguments = strict_json.read_object(call.function.arguments or "{}")
    except ValueError:
        reply = ErrorReply.of(
            ErrorCode.MODEL_FAILED, "The model called a tool with arguments that are no JSON object."
        )
        raise RelayedError(reply) from None
    function = {"index": index, "name": call.function.name, "arguments": arguments}
    return {"id": call.id, "function": function}


def _costs(reply: Reply) -> dict[str, int]:
    costs: dict[str, int] = {}
    timings = reply.timings
    if reply.usage is not None:
        costs["prompt_eval_count"] = reply.usage.prompt_tokens
        costs["eval_count"] = reply.usage.completion_tokens
    if timings is not None and timings.prompt_ms is not None:
        costs["prompt_eval_duration"] = int(timings.prompt_ms * 1_000_000)
    if timings is not None and timings.predicted_ms is not None:
        costs["eval_duration"] = int(timings.predicted_ms * 1_000_000)
    return costs


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
