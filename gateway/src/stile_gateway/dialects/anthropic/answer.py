"""An answer in the shape of Anthropic's API: https://docs.claude.com/en/api/messages."""

from typing import Any
from uuid import UUID

from stile_contracts.messages import Reply, ToolCall
from stile_gateway.dialects import replies
from stile_gateway.dialects.anthropic.request import MessagesCall
from stile_gateway.errors import InternalError, InvalidRequestError

_STOP_REASONS = {"length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
"""All other reasons are ``end_turn``: llama.cpp does not report which text stopped it."""


def message(reply: Reply, call: MessagesCall) -> dict[str, Any]:
    """Return a whole answer.

    Raises:
        RelayedError: the arguments of a call are no JSON object.
    """
    content: list[dict[str, Any]] = []
    if reply.reasoning_content:
        content.append(thinking(reply.reasoning_content))
    if reply.response or not reply.tool_calls:
        content.append({"type": "text", "text": reply.response})
    content.extend(_tool_use(reply.id, index, call_) for index, call_ in enumerate(reply.tool_calls or ()))
    whole = opening(reply.id, reply.model or call.model)
    return {**whole, "content": content, **ending(reply, call), "usage": usage_of(reply)}


def thinking(thought: str) -> dict[str, Any]:
    """Return a block of what the model has thought; it carries no signature, as nobody checks one."""
    return {"type": "thinking", "thinking": thought, "signature": ""}


def opening(chat_id: UUID, model: str) -> dict[str, Any]:
    """Return an answer of which nothing is written."""
    return {
        "id": f"msg_{chat_id}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }


def ending(reply: Reply, call: MessagesCall) -> dict[str, Any]:
    """Return why an answer has ended."""
    end: dict[str, Any] = {
        "stop_reason": _STOP_REASONS.get(reply.finish_reason or "", "end_turn"),
        "stop_sequence": None,
    }
    if reply.refusal is not None:
        place = call.places.own(reply.refusal.place)
        explanation = f"The filter refused it: {reply.refusal.category}, in {place}."
        end["stop_details"] = {"type": "refusal", "category": None, "explanation": explanation}
    return {**end, **replies.own_fields(reply, call.places)}


def usage_of(reply: Reply) -> dict[str, int]:
    """Return the counts of tokens."""
    if reply.usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    return {"input_tokens": reply.usage.prompt_tokens, "output_tokens": reply.usage.completion_tokens}


def count(reply: Reply, call: MessagesCall) -> dict[str, int]:
    """Return how many tokens a conversation has.

    Raises:
        InvalidRequestError: the filter refused it, so that no model has read it.
        InternalError: the model did not count.
    """
    if reply.refusal is not None:
        place = call.places.own(reply.refusal.place)
        raise InvalidRequestError(
            f"The filter refuses this conversation: {reply.refusal.category}, in {place}.", param=place
        )
    if reply.usage is None:
        raise InternalError("The model did not count.")
    return {"input_tokens": reply.usage.prompt_tokens}


def call_id(chat_id: UUID, index: int, own: str) -> str:
    """Return the id of a call; one is made if the model gives none."""
    return own or f"toolu_{chat_id.hex}_{index}"


def _tool_use(chat_id: UUID, index: int, call: ToolCall) -> dict[str, Any]:
    own, name = call_id(chat_id, index, call.id), call.function.name
    return {"type": "tool_use", "id": own, "name": name, "input": replies.arguments_of(call)}
