"""A text completion's request: the body of ``POST /v1/completions``.

https://platform.openai.com/docs/api-reference/completions/create. The prompt is one message of the user in
the model's chat template, so that the policy's system prompt holds (docs/adr/0045).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field, ValidationError

from stile_contracts.messages import INTEGRAL, Sampling
from stile_gateway.dialects.base import ApiRequest
from stile_gateway.dialects.bodies import chat_body, json_object
from stile_gateway.dialects.faults import invalid_request
from stile_gateway.dialects.openai.request import StreamOptions
from stile_gateway.errors import InvalidRequestError, UnsupportedParameterError

_Stop = Annotated[str, Field(min_length=1, max_length=200)]
_Stops = Annotated[list[_Stop], Field(max_length=16)]
_Text = Annotated[str, Field(min_length=1)]

_UNSUPPORTED = {
    "suffix": "Text is written at the end alone; leave suffix out.",
    "echo": "The prompt is not repeated; leave echo out.",
    "logit_bias": "No token can be favoured; leave logit_bias out.",
    **dict.fromkeys(
        (
            *("grammar", "json_schema", "response_format", "guided_json", "guided_regex", "guided_choice"),
            "guided_grammar",
        ),
        "Ask for a format with /v1/chat/completions.",
    ),
}


class TextCompletionRequest(Sampling):
    """The body of ``POST /v1/completions``: OpenAI's, and llama.cpp's sampling parameters."""

    model: Annotated[str, Field(max_length=200)] | None = None
    """One of ``/v1/models``, in upper or lower case; without one, or as ``stile``, any model."""
    prompt: _Text | Annotated[list[_Text], Field(min_length=1, max_length=1)]
    """One text. It is a message of the user, in the model's chat template."""
    stop: _Stop | _Stops | None = None  # type: ignore[assignment]  # OpenAI takes a text alone too
    n: Annotated[int, Field(ge=1, le=1), INTEGRAL] | None = None
    """One answer."""
    best_of: Annotated[int, Field(ge=1, le=1), INTEGRAL] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextCompletionCall(ApiRequest):
    """A ``TextCompletionRequest``, translated."""

    model: str | None = None
    """As the client named it."""
    include_usage: bool = False
    created: int = field(default_factory=lambda: int(time.time()))
    """When it came, in seconds since the Unix epoch."""


def read_text_completion(body: bytes) -> TextCompletionCall:
    """Read and translate a body.

    Raises:
        UnsupportedParameterError: it asks for what Stile cannot do.
        InvalidRequestError: it is no such request; ``param`` is the field at fault.
    """
    fields = json_object(body)
    _check_supported(fields)
    try:
        asked = TextCompletionRequest.model_validate(fields)
    except ValidationError as error:
        if "prompt" in fields and error.errors()[0]["loc"][0] == "prompt":
            raise InvalidRequestError("prompt: one text, which is not empty.", param="prompt") from None
        raise invalid_request(error) from None
    prompt = asked.prompt if isinstance(asked.prompt, str) else asked.prompt[0]
    options = asked.stream_options
    chat = asked.model_dump(mode="json", include=set(Sampling.model_fields), exclude_none=True)
    stop = [asked.stop] if isinstance(asked.stop, str) else asked.stop
    return TextCompletionCall(
        body=chat_body({**chat, "stop": stop, "model": asked.model, "prompt": prompt}),
        prompt=prompt,
        is_stream=bool(asked.stream),
        model=asked.model,
        include_usage=bool(options and options.include_usage),
    )


def _check_supported(body: Mapping[str, Any]) -> None:
    """Refuse what OpenAI's and llama.cpp's completions have and Stile's have not."""
    for name in ("n", "best_of"):
        value = body.get(name)
        if isinstance(value, int | float) and value > 1:
            raise UnsupportedParameterError(f"One answer is given at a time; leave {name} out.", param=name)
    for name, reason in _UNSUPPORTED.items():
        if body.get(name) not in (None, "", [], {}, False):
            raise UnsupportedParameterError(reason, param=name)
    if body.get("logprobs") is not None and body["logprobs"] is not False:
        raise UnsupportedParameterError("Ask for logprobs with /v1/chat/completions.", param="logprobs")
    prompt = body.get("prompt")
    if isinstance(prompt, list):
        if any(isinstance(one, int | list) for one in prompt):
            raise UnsupportedParameterError("A prompt is a text, not tokens.", param="prompt")
        if len(prompt) > 1:
            raise UnsupportedParameterError("One prompt is answered at a time.", param="prompt")
