"""An answer as OpenAI's API tells it: https://platform.openai.com/docs/api-reference/chat/object."""

from typing import Any
from uuid import UUID

from stile_contracts.messages import Reply
from stile_gateway.dialects.places import AS_SENT, Places
from stile_gateway.dialects.replies import own_fields

UNKNOWN_MODEL = "unknown"
"""If no part has named a model: a refusal has met none."""
_NO_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def completion_id(chat_id: UUID) -> str:
    """Name a completion by its chat's id."""
    return f"chatcmpl-{chat_id}"


def completion(reply: Reply, created: int, model: str | None) -> dict[str, Any]:
    """Return a whole answer.

    Args:
        reply: what was answered.
        created: when it was asked for, in seconds since the Unix epoch.
        model: the model that was asked for, if the reply names none.
    """
    calls = [call.model_dump(mode="json") for call in reply.tool_calls or ()]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if calls and not reply.response else reply.response,
        "refusal": None,
    }
    if reply.reasoning_content is not None:
        message["reasoning_content"] = reply.reasoning_content
    if calls:
        message["tool_calls"] = calls
    choice = {
        "index": 0,
        "message": message,
        "logprobs": logprobs_of(reply.logprobs),
        "finish_reason": reply.finish_reason or "stop",
    }
    return {
        "id": completion_id(reply.id),
        "object": "chat.completion",
        "created": created,
        "model": reply.model or model or UNKNOWN_MODEL,
        "choices": [choice],
        "usage": usage_of(reply),
        **extensions_of(reply),
    }


def logprobs_of(logprobs: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return log probabilities in OpenAI's shape."""
    return None if logprobs is None else {"refusal": None, **logprobs}


def usage_of(reply: Reply) -> dict[str, int]:
    """Return the counts of tokens."""
    return _NO_USAGE if reply.usage is None else reply.usage.model_dump()


def extensions_of(reply: Reply, places: Places = AS_SENT) -> dict[str, Any]:
    """Return what Stile says beside OpenAI's fields; clients ignore what they do not know."""
    extensions: dict[str, Any] = {}
    if reply.timings is not None:
        extensions["timings"] = reply.timings.model_dump(exclude_none=True)
    return {**extensions, **own_fields(reply, places)}
