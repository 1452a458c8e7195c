"""A response in the shape of OpenAI's API: https://platform.openai.com/docs/api-reference/responses/object."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from stile_contracts.errors import ERRORS, ErrorCode
from stile_contracts.messages import AcceptedEvent, PositionEvent, Reply
from stile_gateway.dialects.openai.answer import UNKNOWN_MODEL, extensions_of, usage_of
from stile_gateway.dialects.responses.call import Record
from stile_gateway.dialects.responses.items import call_item_id, message_id, reasoning_id
from stile_gateway.errors import GatewayError
from stile_gateway.requests.events import ReplyEvent

_PREFIX = "resp_"
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def response_id(chat_id: UUID) -> str:
    """Name a response by its chat's id."""
    return f"{_PREFIX}{chat_id}"


def chat_id_of(name: str) -> UUID | None:
    """Return the id of a response's chat; None if no response is named so."""
    try:
        chat_id = UUID(name.removeprefix(_PREFIX))
    except ValueError:
        return None
    return chat_id if name == response_id(chat_id) else None


class Shape:
    """Writes one response in each of its states.

    Args:
        chat_id: the request's.
        record: what was asked.
    """

    def __init__(self, chat_id: UUID, record: Record) -> None:
        self.chat_id = chat_id
        self.model = record.model or UNKNOWN_MODEL
        """The worker's own, as soon as it is known."""
        self._record = record

    def state(self, event: ReplyEvent) -> dict[str, Any]:
        """Return the response as of an event."""
        match event.body:
            case Reply() as reply:
                return self.done(reply)
            case AcceptedEvent() | PositionEvent() as queued:
                return self.queued(queued)
        return self.open("in_progress")

    def open(self, status: str) -> dict[str, Any]:
        """Return a response that has no answer."""
        return {
            "id": response_id(self.chat_id),
            "object": "response",
            "created_at": self._record.created,
            "status": status,
            "model": self.model,
            "output": [],
            "error": None,
            "incomplete_details": None,
            "usage": None,
            **self._record.echo,
        }

    def queued(self, queued: AcceptedEvent | PositionEvent) -> dict[str, Any]:
        """Return a response that waits, and its place in the queue."""
        return {**self.open("queued"), **place(queued)}

    def done(self, reply: Reply) -> dict[str, Any]:
        """Return a response with its answer. A refusal is one that was filtered."""
        self.model = reply.model or self.model
        why = "content_filter" if reply.refused else reply.finish_reason
        reason = _INCOMPLETE.get(why or "")
        return {
            **self.open("incomplete" if reason else "completed"),
            "incomplete_details": {"reason": reason} if reason else None,
            "output": self.output(reply),
            "usage": _usage(reply),
            **extensions_of(reply, self._record.located),
        }

    def failed(self, error: GatewayError) -> dict[str, Any]:
        """Return a response that ended in an error; its code is Stile's own."""
        if error.code is ErrorCode.CANCELLED:
            return self.open("cancelled")
        return {
            **self.open("failed"),
            "error": {"code": _code(error), "message": error.message},
            "stile": {"code": error.code},
        }

    def output(self, reply: Reply) -> list[dict[str, Any]]:
        """Return the items of an answer. What the model thought is the first."""
        calls = reply.tool_calls or []
        thought = reply.reasoning_content
        text = [self.message(reply.response, logprobs_of(reply.logprobs), status_of(reply))]
        return [
            *([self.reasoning([reasoning_part(thought)], "completed")] if thought else ()),
            *(text if reply.response or not calls else ()),
            *(
                self.call(index, call.id, call.function.name, call.function.arguments)
                for index, call in enumerate(calls)
            ),
        ]

    def reasoning(self, content: list[dict[str, Any]], status: str) -> dict[str, Any]:
        """Return the item of what the model thought."""
        return {
            "id": reasoning_id(self.chat_id),
            "type": "reasoning",
            "status": status,
            "summary": [],
            "content": content,
        }

    def message(self, text: str, logprobs: list[dict[str, Any]], status: str) -> dict[str, Any]:
        """Return the item of the text."""
        return {
            "id": message_id(self.chat_id),
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": [text_part(text, logprobs)],
        }

    def call(
        self, index: int, call_id: str, name: str, arguments: str, status: str = "completed"
    ) -> dict[str, Any]:
        """Return the item of a call."""
        return {
            "id": call_item_id(self.chat_id, index),
            "type": "function_call",
            "status": status,
            "call_id": call_id,
            "name": name,
            "arguments": arguments,
        }


def place(queued: AcceptedEvent | PositionEvent) -> dict[str, Any]:
    """Return a place in the queue as Stile's own field."""
    known = queued.model_dump(include={"position", "estimate_seconds"}, exclude_none=True)
    return {"stile": known} if known else {}


def status_of(reply: Reply) -> str:
    """Return the status of the text's item."""
    return "incomplete" if reply.refused or reply.finish_reason in _INCOMPLETE else "completed"


def text_part(text: str, logprobs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the content of the text's item."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}


def reasoning_part(text: str) -> dict[str, Any]:
    """Return the content of the item of thoughts."""
    return {"type": "reasoning_text", "text": text}


def logprobs_of(logprobs: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return log probabilities in this API's shape."""
    return token_logprobs((logprobs or {}).get("content") or ())


def token_logprobs(tokens: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the log probabilities of tokens in this API's shape."""
    return [
        {**_logprob(token), "top_logprobs": [_logprob(one) for one in token.get("top_logprobs") or ()]}
        for token in tokens
    ]


def _logprob(token: Mapping[str, Any]) -> dict[str, Any]:
    text = str(token.get("token", ""))
    known = token.get("bytes")
    return {
        "token": text,
        "bytes": list(text.encode(errors="replace")) if known is None else known,
        "logprob": token.get("logprob", 0.0),
    }


def _usage(reply: Reply) -> dict[str, Any]:
    usage = usage_of(reply)
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage["total_tokens"],
    }


def _code(error: GatewayError) -> str:
    """Return OpenAI's word, of which there are few for texts."""
    status = ERRORS[error.code].status
    if status == 429:
        return "rate_limit_exceeded"
    return "invalid_prompt" if status < 500 else "server_error"
