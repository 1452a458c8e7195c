"""A response's request, as a ``ChatRequest``, and what is stored of it."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from stile_contracts.messages import Role, Sampling, Trim
from stile_gateway.dialects.base import ApiRequest
from stile_gateway.dialects.bodies import chat_body
from stile_gateway.dialects.places import Places
from stile_gateway.dialects.responses.items import Messages, messages_of
from stile_gateway.dialects.responses.request import (
    ChosenFunction,
    FunctionTool,
    ResponseRequest,
    SchemaFormat,
)

_TRIMS = {"auto": Trim.OLDEST, "disabled": Trim.NONE}
_LOGPROBS = "message.output_text.logprobs"


@dataclass(frozen=True, slots=True)
class Record:
    """What is stored of a request, so that its response can be read and continued."""

    created: int
    """When it came, in seconds since the Unix epoch."""
    model: str | None
    """As the client named it."""
    echo: dict[str, Any]
    """The fields of a response that repeat its request."""
    messages: Messages
    """The conversation up to the answer, without instructions."""
    own: int
    """How many of the messages, the last ones, the client sent with this request."""
    places: list[str] = field(default_factory=list)
    """Where in the client's request each message is, the instructions first."""

    @property
    def located(self) -> Places:
        """The same, of all that the filter may name."""
        return Places(self.places, "text.format", "input")

    @property
    def sent(self) -> Messages:
        """The messages that the client sent with this request."""
        return self.messages[len(self.messages) - self.own :]

    def json(self) -> bytes:
        """Write it for the store."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read what ``json`` wrote."""
        return cls(**json.loads(body))


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseCall(ApiRequest):
    """A ``ResponseRequest``, translated."""

    record: Record
    is_stored: bool = True


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a request refers to."""

    messages: Messages = field(default_factory=list)
    """The conversation that it continues."""
    items: Mapping[str, Messages] = field(default_factory=dict)
    """The messages of items, by id."""


def make_call(asked: ResponseRequest, earlier: Earlier) -> ResponseCall:
    """Translate a request.

    Raises:
        NotFoundError: it refers to an item that is not there.
        InvalidRequestError: a number in it is too large.
    """
    own, places = messages_of(asked.input, earlier.items)
    messages = [*earlier.messages, *own]
    instructions = [{"role": Role.SYSTEM.value, "content": asked.instructions}] if asked.instructions else []
    places = [
        *("instructions" for _ in instructions),
        *("previous_response_id" for _ in earlier.messages),
        *places,
    ]
    record = Record(int(time.time()), asked.model, _echo(asked), messages, len(own), places)
    return ResponseCall(
        body=chat_body(_chat_request(asked, [*instructions, *messages])),
        contents=[message.get("content") for message in [*instructions, *messages]],
        is_stream=bool(asked.stream),
        answer_later=bool(asked.background),
        trim=_TRIMS.get(asked.truncation or ""),
        record=record,
        places=record.located,
        is_stored=asked.store is not False,
    )


def _chat_request(asked: ResponseRequest, messages: Messages) -> dict[str, Any]:
    chosen = asked.tool_choice
    wants_logprobs = asked.top_logprobs is not None or _LOGPROBS in (asked.include or ())
    return {
        **asked.model_dump(mode="json", include=set(Sampling.model_fields), exclude_none=True),
        "model": asked.model,
        "messages": messages,
        "max_tokens": asked.max_tokens if asked.max_output_tokens is None else asked.max_output_tokens,
        "tools": [_tool(tool) for tool in asked.tools] if asked.tools else None,
        "tool_choice": (
            {"type": "function", "function": {"name": chosen.name}}
            if isinstance(chosen, ChosenFunction)
            else chosen
        ),
        "parallel_tool_calls": asked.parallel_tool_calls,
        "response_format": _format(asked),
        "reasoning_effort": asked.reasoning.effort if asked.reasoning else None,
        "logprobs": True if wants_logprobs else None,
        "top_logprobs": asked.top_logprobs,
    }


def _tool(tool: FunctionTool) -> dict[str, Any]:
    return {"type": "function", "function": tool.model_dump(exclude={"type"}, exclude_none=True)}


def _format(asked: ResponseRequest) -> dict[str, Any] | None:
    form = asked.text.format if asked.text else None
    if form is None:
        return None
    if isinstance(form, SchemaFormat):
        return {"type": form.type, form.type: form.model_dump(exclude={"type"}, exclude_none=True)}
    return {"type": form.type}


def _echo(asked: ResponseRequest) -> dict[str, Any]:
    form = asked.text.format if asked.text else None
    chosen = asked.tool_choice
    return {
        "background": bool(asked.background),
        "instructions": asked.instructions,
        "max_output_tokens": asked.max_output_tokens,
        "metadata": asked.metadata or {},
        "parallel_tool_calls": asked.parallel_tool_calls is not False,
        "previous_response_id": asked.previous_response_id,
        "reasoning": {"effort": asked.reasoning.effort if asked.reasoning else None, "summary": None},
        "store": asked.store is not False,
        "temperature": asked.temperature,
        "text": {"format": form.model_dump(exclude_none=True) if form else {"type": "text"}},
        "tool_choice": chosen.model_dump() if isinstance(chosen, ChosenFunction) else chosen or "auto",
        "tools": [tool.model_dump() for tool in asked.tools or ()],
        "top_logprobs": asked.top_logprobs,
        "top_p": asked.top_p,
        "truncation": asked.truncation or "disabled",
        "user": asked.user,
    }
