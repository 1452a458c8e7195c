"""A request for a message, read once and written as a ``ChatRequest``.

Parameters that Stile does not know are ignored. What would change the answer, and cannot be done, is an error
that names it.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError

from stile_contracts.messages import INTEGRAL, FunctionName, Trim
from stile_gateway.dialects.anthropic.conversation import AnyMessage, CustomTool, TextBlock, translated
from stile_gateway.dialects.anthropic.faults import invalid_request
from stile_gateway.dialects.base import ApiRequest
from stile_gateway.dialects.bodies import MAX_TOKENS, Part, chat_body, items, json_object, kind
from stile_gateway.dialects.places import Places
from stile_gateway.errors import UnsupportedParameterError

_T = TypeVar("_T", bound="CountRequest")
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_EMPTY: tuple[Any, ...] = (None, "", [], {})


class ToolChoice(Part):
    """Whether the model calls a tool."""

    type: Literal["auto", "any", "none"]
    disable_parallel_tool_use: bool | None = None


class NamedToolChoice(Part):
    """The tool that the model must call."""

    type: Literal["tool"]
    name: FunctionName
    disable_parallel_tool_use: bool | None = None


class JsonFormat(Part):
    """The answer is JSON that fits a schema."""

    type: Literal["json_schema"]
    schema_: Annotated[dict[str, Any], Field(alias="schema")]


class OutputConfig(Part):
    """How the answer is written."""

    format: JsonFormat | None = None
    effort: Annotated[str, Field(pattern="^[a-z]{1,20}$")] | None = None
    """How long a thinking model thinks."""


class Thinking(Part):
    """Whether a thinking model thinks."""

    type: Literal["enabled", "adaptive", "disabled"]


class CountRequest(Part):
    """The body of ``POST /v1/messages/count_tokens``."""

    model: Annotated[str, Field(min_length=1, max_length=200)]
    """One of ``/v1/models``, in upper or lower case; as ``stile``, any model."""
    messages: list[AnyMessage] = Field(min_length=1)
    """The conversation, oldest first."""
    system: str | list[TextBlock] | None = None
    """What comes before it."""
    tools: list[CustomTool] | None = Field(None, max_length=128)
    tool_choice: Annotated[ToolChoice | NamedToolChoice, Field(discriminator="type")] | None = None
    output_config: OutputConfig | None = None
    thinking: Thinking | None = None


class MessagesRequest(CountRequest):
    """The body of ``POST /v1/messages``."""

    max_tokens: Annotated[int, Field(ge=1), INTEGRAL]
    """The limit of the answer, in tokens."""
    stop_sequences: (
        Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=16)] | None
    ) = None
    """The answer ends when the model writes one of these texts."""
    temperature: Annotated[float, Field(ge=0, le=5)] | None = None
    top_k: Annotated[int, Field(ge=0, le=1_000_000), INTEGRAL] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    stream: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesCall(ApiRequest):
    """A request, translated."""

    model: str
    """As the client named it."""
    counts: bool = False
    """Whether only the tokens of the conversation are asked for."""


def read_messages(body: bytes) -> MessagesCall:
    """Read and translate the body of ``/v1/messages``.

    Raises:
        UnsupportedParameterError: it asks for what Stile cannot do.
        InvalidRequestError: it is no such request; ``param`` is the field at fault.
    """
    request = _validated(MessagesRequest, body)
    sampling = request.model_dump(include={"temperature", "top_k", "top_p"})
    sampling["stop"] = request.stop_sequences or None
    sampling["max_tokens"] = min(request.max_tokens, MAX_TOKENS)
    return _call(request, sampling, is_stream=bool(request.stream))


def read_count(body: bytes) -> MessagesCall:
    """Read and translate the body of ``/v1/messages/count_tokens``.

    Raises:
        UnsupportedParameterError: it asks for what Stile cannot do.
        InvalidRequestError: it is no such request; ``param`` is the field at fault.
    """
    request = _validated(CountRequest, body)
    # The model counts a conversation when it reads it; it is to write as little as it can.
    return _call(request, {"max_tokens": 1, "temperature": 0}, counts=True)


def _validated(model: type[_T], body: bytes) -> _T:
    fields = json_object(body)
    _check_supported(fields)
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise invalid_request(error) from None


def _call(
    request: CountRequest, sampling: dict[str, Any], *, is_stream: bool = False, counts: bool = False
) -> MessagesCall:
    turns = translated(request.system, request.messages)
    chat = {
        **sampling,
        **_tools(request),
        **_output(request),
        "model": request.model,
        "messages": [turn.fields for turn in turns],
    }
    return MessagesCall(
        body=chat_body(chat),
        contents=[turn.fields["content"] for turn in turns],
        is_stream=is_stream,
        model=request.model,
        counts=counts,
        places=Places([turn.place for turn in turns], "output_config.format"),
        trim=Trim.NONE if counts else None,
    )


def _tools(request: CountRequest) -> dict[str, Any]:
    fields: dict[str, Any] = {"tools": [tool.translated() for tool in request.tools or ()] or None}
    match request.tool_choice:
        case NamedToolChoice(name=name):
            fields["tool_choice"] = {"type": "function", "function": {"name": name}}
        case ToolChoice(type=kind):
            fields["tool_choice"] = _CHOICES[kind]
    if request.tool_choice is not None and request.tool_choice.disable_parallel_tool_use is not None:
        fields["parallel_tool_calls"] = not request.tool_choice.disable_parallel_tool_use
    return fields


def _output(request: CountRequest) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    config = request.output_config
    if config is not None and config.format is not None:
        schema = {"schema": config.format.schema_}
        fields["response_format"] = {"type": "json_schema", "json_schema": schema}
    if config is not None and config.effort is not None:
        fields["reasoning_effort"] = config.effort
    if request.thinking is not None:
        thinks = request.thinking.type != "disabled"
        fields["chat_template_kwargs"] = {"enable_thinking": thinks}
    return fields


def _check_supported(body: dict[str, Any]) -> None:
    """Refuse what Anthropic's API has and Stile's has not."""
    for name in ("mcp_servers", "container", "context_management"):
        if body.get(name) not in _EMPTY:
            raise UnsupportedParameterError(f"Stile has no such thing; leave {name} out.", param=name)
    if body.get("output_format") not in _EMPTY:
        raise UnsupportedParameterError("Send it as output_config.format.", param="output_format")
    for index, tool in enumerate(items(body.get("tools"))):
        if kind(tool) not in {"custom", None}:
            raise UnsupportedParameterError(
                "Stile runs no tools; send those that you run.", param=f"tools[{index}].type"
            )
    _check_text("system", body.get("system"))
    for index, message in enumerate(items(body.get("messages"))):
        if isinstance(message, dict):
            _check_text(f"messages[{index}].content", message.get("content"))


def _check_text(place: str, content: Any) -> None:  # noqa: ANN401 -- whatever JSON came
    for number, block in enumerate(items(content)):
        if kind(block) in {"image", "document", "search_result", "container_upload"}:
            raise UnsupportedParameterError(
                f"{place}[{number}]: messages hold text alone.", param=f"{place}[{number}]"
            )
        if isinstance(block, dict):
            _check_text(f"{place}[{number}].content", block.get("content"))
