"""Sampling parameters and output options."""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from stile_contracts.messages.base import INTEGRAL, FunctionName, Message


class Sampling(Message):
    """llama.cpp's sampling parameters, by its names; an absent one has the server's default."""

    temperature: Annotated[float, Field(ge=0, le=5)] | None = None
    top_k: Annotated[int, Field(ge=0, le=1_000_000), INTEGRAL] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    typical_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repeat_penalty: Annotated[float, Field(ge=0, le=10)] | None = None
    repeat_last_n: Annotated[int, Field(ge=-1, le=1_000_000), INTEGRAL] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**32 - 1), INTEGRAL] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000), INTEGRAL] | None = None
    """The limit of the answer, in tokens."""
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
                    },
                    "required": ["json_schema"],
                },
                {
                    "properties": {
                        "type": {"enum": ["text", "json_object"]},
                        "json_schema": {"type": "null"},
                    }
                },
            ]
        }
    )

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None
    """Set if ``type`` is ``json_schema``, and only then."""

    @model_validator(mode="after")
    def _schema_is_there(self) -> Self:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("json_schema is required if type is json_schema, and not allowed otherwise")
        return self


LOGPROBS_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"properties": {"top_logprobs": {"type": "null"}}},
        {"properties": {"logprobs": {"const": True}}, "required": ["logprobs"]},
    ]
}
"""A part of a request's JSON Schema: ``top_logprobs`` needs ``logprobs``, as in OpenAI's API and
llama.cpp."""


class Output(Message):
    """Options for answers other than plain text. They are passed on to llama.cpp."""

    tools: list[Tool] | None = Field(None, max_length=128)
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20), INTEGRAL] | None = None
