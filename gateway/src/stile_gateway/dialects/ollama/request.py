"""``/api/chat`` and ``/api/generate``: read once, and written as a ``ChatRequest``.

Parameters that Stile does not know are ignored, as Ollama does. What would change the answer, and cannot be
done, is an error that names it.
"""

import time
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field, WithJsonSchema

from stile_contracts.messages import INTEGRAL, LOGPROBS_SCHEMA, Role
from stile_gateway.dialects.base import ApiRequest
from stile_gateway.dialects.bodies import Part, chat_body, items, json_object, validated
from stile_gateway.dialects.ollama.catalogue import ModelName
from stile_gateway.dialects.ollama.conversation import OllamaMessage, OllamaTool, translated
from stile_gateway.dialects.ollama.options import (
    Format,
    KeepAlive,
    Options,
    response_format,
    thinking,
    unloads,
)
from stile_gateway.dialects.places import Places
from stile_gateway.errors import UnsupportedParameterError

LATEST = ":latest"
"""The tag of a model whose name has none."""

_T = TypeVar("_T", bound="_Request")
_None = Annotated[list[Any], Field(max_length=0)]
"""What must be empty."""
_False = Annotated[bool, WithJsonSchema({"const": False})]
"""``read_generate`` refuses true. ``Literal[False]`` would take a 0, too."""


class _Request(Part):
    model_config = ConfigDict(json_schema_extra=LOGPROBS_SCHEMA)

    model: ModelName
    """One of ``/api/tags``, with or without ``:latest``; as ``stile``, any model."""
    stream: bool | None = None
    """False: one answer; else lines as they come."""
    format: Format | None = None
    options: Options | None = None
    think: bool | Annotated[str, Field(pattern="^[a-z]{1,20}$")] | None = None
    """Whether a thinking model thinks, or how long: ``low``, ``medium``, ``high``."""
    keep_alive: KeepAlive | None = None
    """Of no use: the models stay loaded."""
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20), INTEGRAL] | None = None


class OllamaChatRequest(_Request):
    """The body of ``POST /api/chat``."""

    messages: list[OllamaMessage] | None = None
    """The conversation, oldest first. Without any, the model is only asked to be loaded."""
    tools: list[OllamaTool] | None = Field(None, max_length=128)


class OllamaGenerateRequest(_Request):
    """The body of ``POST /api/generate``."""

    prompt: str | None = None
    """Without one, the model is only asked to be loaded."""
    system: str | None = None
    """A ``system`` message before the prompt."""
    raw: _False | None = None
    suffix: Annotated[str, Field(max_length=0)] | None = None
    template: Annotated[str, Field(max_length=0)] | None = None
    context: _None | None = None
    images: _None | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OllamaCall(ApiRequest):
    """A request, translated."""

    model: str
    """As the client named it, without ``:latest``."""
    is_chat: bool
    loads: Literal["load", "unload"] | None = None
    """Set if there is nothing to answer: what the model is asked to do."""
    began: float = field(default_factory=time.monotonic)
    """When it came."""


def read_chat(body: bytes) -> OllamaCall:
    """Read and translate the body of ``/api/chat``.

    Raises:
        UnsupportedParameterError: it asks for what Stile cannot do.
        InvalidRequestError: it is no such request; ``param`` is the field at fault.
    """
    request = _read(OllamaChatRequest, json_object(body))
    messages = translated(request.messages or ())
    tools = [tool.translated() for tool in request.tools or ()]
    places = [f"messages[{index}]" for index in range(len(messages))]
    return _call(request, messages, {"tools": tools or None}, places)


def read_generate(body: bytes) -> OllamaCall:
    """Read and translate the body of ``/api/generate``.

    Raises:
        UnsupportedParameterError: it asks for what Stile cannot do.
        InvalidRequestError: it is no such request; ``param`` is the field at fault.
    """
    fields = json_object(body)
    if fields.get("raw"):
        raise UnsupportedParameterError(
            "The model's own template is always used; leave raw out.", param="raw"
        )
    for name in ("suffix", "template", "context"):
        if fields.get(name):
            raise UnsupportedParameterError(f"Stile has no such thing; leave {name} out.", param=name)
    if fields.get("images"):
        raise UnsupportedParameterError("Requests hold text alone; leave images out.", param="images")
    request = _read(OllamaGenerateRequest, fields)
    texts = {"system": (Role.SYSTEM, request.system), "prompt": (Role.USER, request.prompt)}
    sent = {place: {"role": role.value, "content": text} for place, (role, text) in texts.items() if text}
    return _call(request, list(sent.values()) if request.prompt else [], {}, list(sent))


def plain_name(model: str) -> str:
    """Return a model's name without the tag that Ollama's clients add."""
    return model.removesuffix(LATEST) or model


def _read(model: type[_T], fields: dict[str, Any]) -> _T:
    for index, message in enumerate(items(fields.get("messages"))):
        if isinstance(message, dict) and message.get("images"):
            raise UnsupportedParameterError("Messages hold text alone.", param=f"messages[{index}].images")
    if fields.get("top_logprobs") is not None and not fields.get("logprobs"):
        raise UnsupportedParameterError("logprobs must be true if this is used.", param="top_logprobs")
    return validated(model, fields)


def _call(
    request: _Request, messages: list[dict[str, Any]], more: dict[str, Any], places: list[str]
) -> OllamaCall:
    name = plain_name(request.model)
    chat = {
        **(request.options.sampling() if request.options else {}),
        **more,
        **thinking(think=request.think),
        "model": name,
        "response_format": response_format(request.format),
        "logprobs": request.logprobs,
        "top_logprobs": request.top_logprobs,
        "messages": messages,
    }
    loads: Literal["load", "unload"] = "unload" if unloads(request.keep_alive) else "load"
    return OllamaCall(
        body=chat_body(chat),
        contents=[message.get("content") for message in messages],
        is_stream=request.stream is not False,
        model=name,
        is_chat=isinstance(request, OllamaChatRequest),
        loads=None if messages else loads,
        places=Places(places, "format"),
    )
