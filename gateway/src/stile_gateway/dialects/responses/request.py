"""A response's request: the body of ``POST /v1/responses``.

https://platform.openai.com/docs/api-reference/responses/create. What constrains the answer is kept or is an
error; other parameters that Stile does not know are ignored.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from stile_contracts.messages import INTEGRAL, FunctionName, Sampling
from stile_gateway.dialects.bodies import Part, items, json_object, kind, validated
from stile_gateway.dialects.responses.items import Item
from stile_gateway.errors import UnsupportedParameterError

_UNSUPPORTED = {
    "conversation": "Continue a response by previous_response_id.",
    "prompt": "No prompts are stored here; send the text itself.",
    "response_format": "Send the format as text.format.",
    **dict.fromkeys(
        ("grammar", "json_schema", "guided_json", "guided_regex", "guided_choice", "guided_grammar"),
        "Ask for JSON by a schema in text.format.",
    ),
}
_ITEMS = {"message", "function_call", "function_call_output", "reasoning", "item_reference"}
_TEXTS = {"input_text", "output_text", "text", "refusal"}


class FunctionTool(Part):
    """A function that the model may call."""

    type: Literal["function"]
    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    """A JSON Schema."""
    strict: bool | None = None


class ChosenFunction(Part):
    """The function that the model must call."""

    type: Literal["function"]
    name: FunctionName


class PlainFormat(Part):
    """Text, or any JSON object."""

    type: Literal["text", "json_object"]


class SchemaFormat(Part):
    """JSON that fits a schema."""

    type: Literal["json_schema"]
    name: Annotated[str, Field(max_length=200)] | None = None
    description: str | None = None
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    strict: bool | None = None


def _format_kind(form: object) -> str | None:
    kind = form.get("type") if isinstance(form, dict) else getattr(form, "type", None)
    return None if not isinstance(kind, str) else "Schema" if kind == "json_schema" else "Plain"


_Format = Annotated[
    Annotated[PlainFormat, Tag("Plain")] | Annotated[SchemaFormat, Tag("Schema")], Discriminator(_format_kind)
]


class TextOptions(Part):
    """The form of the answer."""

    format: _Format | None = None


class ReasoningOptions(Part):
    """How a thinking model thinks."""

    effort: Annotated[str, Field(pattern="^[a-z]{1,20}$")] | None = None
    """The words are the model's own: ``low``, ``high`` …"""


def _input_kind(given: object) -> str | None:
    return "Text" if isinstance(given, str) else "Items" if isinstance(given, list) else None


_Items = Annotated[
    list[Item],
    Field(min_length=1, json_schema_extra={"contains": {"properties": {"type": {"const": "message"}}}}),
]
_Input = Annotated[
    Annotated[str, Tag("Text")] | Annotated[_Items, Tag("Items")],
    Discriminator(
        _input_kind, custom_error_type="no_input", custom_error_message="give a text, or a list of items"
    ),
]


class ResponseRequest(Sampling):
    """The body of ``POST /v1/responses``: OpenAI's, and llama.cpp's sampling parameters."""

    model_config = ConfigDict(
        serialize_by_alias=True,
        json_schema_extra={
            "not": {
                "properties": {"background": {"const": True}, "store": {"const": False}},
                "required": ["background", "store"],
            }
        },
    )

    model: Annotated[str, Field(max_length=200)] | None = None
    """One of ``/v1/models``, in upper or lower case; without one, or as ``stile``, any model."""
    input: _Input
    """What is new of the conversation, oldest first."""
    instructions: str | None = None
    """A system message before all others. It is not carried over to responses that continue this one."""
    previous_response_id: str | None = None
    """A stored response of the same client, which this one continues."""
    tools: Annotated[list[FunctionTool], Field(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ChosenFunction | None = None
    parallel_tool_calls: bool | None = None
    text: TextOptions | None = None
    reasoning: ReasoningOptions | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=1_000_000), INTEGRAL] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20), INTEGRAL] | None = None
    include: list[str] | None = None
    """``message.output_text.logprobs``: the logprobs of the text. There is nothing else to include."""
    metadata: (
        Annotated[
            dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
            Field(max_length=16),
        ]
        | None
    ) = None
    """Comes back with the response."""
    truncation: Literal["auto", "disabled"] | None = None
    """Nothing is left out of a conversation: one that is too long is an error."""
    user: str | None = None
    stream: bool | None = None
    store: bool | None = None
    """Whether the response can be read and continued later: yes, if it is left out."""
    background: bool | None = None
    """The answer is read later; it is not cancelled when the client leaves."""

    @model_validator(mode="after")
    def _can_be_read_later(self) -> "ResponseRequest":
        if self.background and self.store is False:
            raise ValueError("a response in the background must be stored")
        return self


def read_response(body: bytes) -> ResponseRequest:
    """Read a body.

    Raises:
        UnsupportedParameterError: it asks for what Stile cannot do.
        InvalidRequestError: it is no such request; ``param`` is the field at fault.
    """
    fields = json_object(body)
    _check_supported(fields)
    return validated(ResponseRequest, fields)


def _check_supported(body: Mapping[str, Any]) -> None:
    """Refuse what OpenAI's API has and Stile's has not."""
    for name, instead in _UNSUPPORTED.items():
        if body.get(name) not in (None, "", [], {}):
            raise UnsupportedParameterError(instead, param=name)
    for index, tool in enumerate(items(body.get("tools"))):
        if kind(tool) not in {"function", None}:
            raise UnsupportedParameterError("A tool is a function.", param=f"tools[{index}].type")
    if kind(body.get("tool_choice")) not in {"function", None}:
        raise UnsupportedParameterError("A tool is a function.", param="tool_choice.type")
    for index, item in enumerate(items(body.get("input"))):
        if kind(item) not in {*_ITEMS, None}:
            raise UnsupportedParameterError("There are no items of this type.", param=f"input[{index}].type")
        if isinstance(item, dict) and kind(item) != "reasoning":
            _check_text(item, f"input[{index}]")


def _check_text(item: Mapping[str, Any], param: str) -> None:
    for field in ("content", "output"):
        for number, part in enumerate(items(item.get(field))):
            if kind(part) not in {*_TEXTS, None}:
                raise UnsupportedParameterError(
                    "Messages hold text alone.", param=f"{param}.{field}[{number}]"
                )
