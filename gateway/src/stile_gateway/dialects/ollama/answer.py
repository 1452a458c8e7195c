"""An answer in the shape of Ollama's API: https://docs.ollama.com/api."""

import time
from datetime import UTC, datetime
from typing import Any

from stile_contracts.messages import Reply, ToolCall
from stile_gateway.dialects.ollama.catalogue import tagged
from stile_gateway.dialects.ollama.request import OllamaCall
from stile_gateway.dialects.replies import arguments_of, own_fields

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
        return {**last, **own_fields(reply, self._call.places)}

    def loaded(self) -> dict[str, Any]:
        """Return the answer to a request that only loads or unloads the model."""
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


def _called(index: int, call: ToolCall) -> dict[str, Any]:
    function = {"index": index, "name": call.function.name, "arguments": arguments_of(call)}
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
