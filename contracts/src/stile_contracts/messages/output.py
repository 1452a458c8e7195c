"""Sampling parameters and output options."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from stile_contracts.messages.base import INTEGRAL, FunctionName, Message

MaxTokens = Annotated[int, Field(ge=-2, le=2**63 - 1), INTEGRAL]
"""llama.cpp means no limit by -1 and -2, and other clients by 0."""


class Sampling(Message):
    """llama.cpp's sampling parameters, by its names; an absent one has the server's default."""

    temperature: Annotated[float, Field(ge=0, le=5)] | None = None
    top_k: Annotated[int, Field(ge=-1, le=2**31 - 1), INTEGRAL] | None = None
    """-1 and 0: of all tokens."""
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    typical_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repeat_penalty: Annotated[float, Field(ge=0, le=10)] | None = None
    repeat_last_n: Annotated[int, Field(ge=-1, le=1_000_000), INTEGRAL] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), le=2**63 - 1), INTEGRAL] | None = None
    """-1: any. llama.cpp gets the lowest 32 bits."""
    max_tokens: MaxTokens | None = None
    """The limit of the answer, in tokens; 0 and less: the policy's limit alone."""
    stop: list[Annotated[str, Field(min_length=1, max_length=200)]] | None = Field(None, max_length=16)
    """The answer ends when the model writes one of these texts."""


class ToolFunction(Message):
    """A function that the model may call."""

    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    """A JSON Schema."""
    strict: bool | None = None


class Tool(Message):
    """A tool that the model may use, as in OpenAI's API."""

    type: Literal["function"]
    function: ToolFunction


class NamedFunction(Message):
    """The name of a function."""

    name: FunctionName


class NamedTool(Message):
    """The tool that the model must use."""

    type: Literal["function"]
    function: NamedFunction


class JsonSchema(Message):
    """A JSON Schema that the answer must fit."""

    name: Annotated[str, Field(max_length=200)] | None = None
    description: str | None = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None


class ResponseFormat(Message):
    """The format of the answer, as in OpenAI's API."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {
                    "properties": {
                        "type": {"const": "json_schema"},
                        "json_schema": {"type": "object"},
                        "schema": {"type": "null"},
                    },
                    "required": ["json_schema"],
                },
                {
                    "properties": {
                        "type": {"enum": ["json_object", "json_schema"]},
                        "json_schema": {"type": "null"},
                        "schema": {"type": "object"},
                    },
                    "required": ["schema"],
                },
                {
                    "properties": {
                        "type": {"enum": ["text", "json_object"]},
                        "json_schema": {"type": "null"},
                        "schema": {"type": "null"},
                    }
                },
            ]
        }
    )

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None
    """Set if ``type`` is ``json_schema``, and only then."""
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    """As llama.cpp takes it beside ``json_object`` and ``json_schema``; read as the latter's
    ``json_schema.schema``."""

    @model_validator(mode="after")
    def _has_one_schema(self) -> "ResponseFormat":
        if self.schema_ is not None:
            if self.type == "text" or self.json_schema is not None:
                raise ValueError("schema is allowed beside json_object, or in the place of json_schema")
            return self.of(self.schema_)
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("json_schema is required if type is json_schema, and not allowed otherwise")
        return self

    @classmethod
    def of(cls, schema: dict[str, Any]) -> "ResponseFormat":
        """Return the format of an answer that fits ``schema``."""
        json_schema = JsonSchema.model_construct(schema_=schema)
        return cls.model_construct(type="json_schema", json_schema=json_schema)


LOGPROBS_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"properties": {"top_logprobs": {"type": "null"}}},
        {"properties": {"logprobs": {"const": True}}, "required": ["logprobs"]},
    ]
}
"""A part of a request's JSON Schema: ``top_logprobs`` needs ``logprobs``, as in OpenAI's API and
llama.cpp."""


_TEMPLATE_NAME = r"^[a-z][a-z0-9_]{0,63}$"
_OWN_NAMES = ("messages", "tools", "documents", "add_generation_prompt", "continue_final_message")
_OWN_WORDS = ("message", "prompt", "system", "template")
"""A template's variables by such names hold the conversation, or what stands before it."""


def _is_option(name: str) -> str:
    if name in _OWN_NAMES or name.endswith("_token") or any(word in name for word in _OWN_WORDS):
        raise ValueError("the conversation is not an option of the template")
    return name


TemplateOption = bool | int | float | Annotated[str, Field(max_length=200)] | None
TemplateOptions = dict[
    Annotated[str, Field(pattern=_TEMPLATE_NAME), AfterValidator(_is_option)], TemplateOption
]
"""Variables of the model's chat template: ``{"enable_thinking": false}``. None of them can be the
conversation, which llama.cpp would take from here."""


class Output(Message):
    """Options for answers other than plain text. They are passed on to llama.cpp."""

    tools: list[Tool] | None = Field(None, max_length=128)
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20), INTEGRAL] | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    """How long a thinking model thinks."""
    chat_template_kwargs: (
        Annotated[TemplateOptions, Field(max_length=32, json_schema_extra={"additionalProperties": False})]
        | None
    ) = None


_EMPTY: list[Any] = [None, "", [], {}]


def _unset(value: object) -> None:
    if value in _EMPTY:
        return
    raise ValueError("is not supported; ask for JSON by a schema in response_format")


_Unsupported = Annotated[None, BeforeValidator(_unset), WithJsonSchema({"enum": _EMPTY})]


class Constraints(Message):
    """What other servers take to constrain an answer, and Stile does not.

    It is an error if it is set, so that no answer comes without it.
    """

    grammar: _Unsupported = None
    guided_json: _Unsupported = None
    guided_regex: _Unsupported = None
    guided_choice: _Unsupported = None
    guided_grammar: _Unsupported = None
    structured_outputs: _Unsupported = None
    regex: _Unsupported = None
    ebnf: _Unsupported = None
    logit_bias: _Unsupported = None
    functions: _Unsupported = None
    function_call: _Unsupported = None
