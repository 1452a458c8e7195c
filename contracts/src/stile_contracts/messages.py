"""The bodies of Stile's messages, version 1, as JSON.

Readers ignore fields they do not know; writers write these and no others. Only fields may be added; a
changed meaning is a ``v2``. ``contracts/schemas/v1`` holds the exported JSON Schemas.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from stile_contracts.errors import ERRORS, ErrorCode

MAX_REFUSAL_CHARS = 500
"""Of ``refusal_message``; longer ones are no refusal but an answer of the client's own making."""


def _integral(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


INTEGRAL = BeforeValidator(_integral)
"""Takes an integer as JSON Schema has it: ``7.0`` is one too. It stands after the bounds, which it would
otherwise hide from the schema."""


class Role(StrEnum):
    """Who speaks in a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class _Message(BaseModel):
    model_config = ConfigDict(
        strict=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
        serialize_by_alias=True,
    )


CallId = Annotated[str, Field(max_length=200, pattern="^[A-Za-z0-9_.:-]+$")]
"""Names a call of a tool. It is not scanned, so it holds no free text."""

FunctionName = Annotated[str, Field(min_length=1, max_length=200)]


class FunctionCall(_Message):
    """A function that the model calls."""

    name: FunctionName
    arguments: str
    """JSON, as the model wrote it."""


class ToolCall(_Message):
    """One call of a tool, as in OpenAI's API."""

    id: CallId
    type: Literal["function"] = "function"
    function: FunctionCall


def roles_schema(*plain: Role | str) -> dict[str, Any]:
    """Say in JSON Schema which fields a turn has by its role; ``plain`` are those who can't call tools."""
    null = {"type": "null"}
    filled = {"not": null}
    return {
        "anyOf": [
            {
                "properties": {
                    "role": {"enum": list(plain)},
                    "content": filled,
                    "tool_calls": {"anyOf": [null, {"type": "array", "maxItems": 0}]},
                    "tool_call_id": null,
                },
                "required": ["role", "content"],
            },
            {
                "properties": {
                    "role": {"const": Role.ASSISTANT},
                    "content": filled,
                    "tool_call_id": null,
                },
                "required": ["role", "content"],
            },
            {
                "properties": {
                    "role": {"const": Role.ASSISTANT},
                    "tool_calls": {"type": "array", "minItems": 1},
                    "tool_call_id": null,
                },
                "required": ["role", "tool_calls"],
            },
            {
                "properties": {
                    "role": {"const": Role.TOOL},
                    "content": filled,
                    "tool_calls": {"anyOf": [null, {"type": "array", "maxItems": 0}]},
                    "tool_call_id": filled,
                },
                "required": ["role", "content", "tool_call_id"],
            },
        ]
    }


class Turn(_Message):
    """One message of a conversation."""

    model_config = ConfigDict(json_schema_extra=roles_schema(Role.SYSTEM, Role.USER))

    role: Annotated[Role, Field(strict=False)]
    content: str | None = None
    """May be absent only where the assistant calls tools."""
    tool_calls: list[ToolCall] | None = Field(None, max_length=128)
    """The assistant's."""
    tool_call_id: CallId | None = None
    """Which call a ``tool`` message answers."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.tool_calls and self.role != Role.ASSISTANT:
            raise ValueError("only the assistant calls tools")
        if (self.role == Role.TOOL) != (self.tool_call_id is not None):
            raise ValueError("tool_call_id stands in tool messages, and only there")
        if self.content is None and not self.tool_calls:
            raise ValueError("content is missing")
        return self


class Sampling(_Message):
    """llama.cpp's usual sampling parameters, by its names; one that is absent is the server's default."""

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
    """Tokens of the answer, at most."""
    stop: list[Annotated[str, Field(min_length=1, max_length=200)]] | None = Field(None, max_length=16)
    """Texts that end the answer where the model writes them."""


class ToolFunction(_Message):
    """A function that the model may call."""

    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    """A JSON Schema."""
    strict: bool | None = None


class Tool(_Message):
    """A tool that the model may use, as in OpenAI's API."""

    type: Literal["function"]
    function: ToolFunction


class NamedFunction(_Message):
    """The name of a function."""

    name: FunctionName


class NamedTool(_Message):
    """The tool that the model is to use."""

    type: Literal["function"]
    function: NamedFunction


class JsonSchema(_Message):
    """A JSON Schema that the answer must fit."""

    name: Annotated[str, Field(max_length=200)] | None = None
    description: str | None = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None


class ResponseFormat(_Message):
    """What the answer must look like, as in OpenAI's API."""

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
    """Set where ``type`` is ``json_schema``."""

    @model_validator(mode="after")
    def _schema_is_there(self) -> Self:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("json_schema is set where type is json_schema, and only there")
        return self


class Output(_Message):
    """What the answer is to be beside plain text; handed on to llama.cpp."""

    tools: list[Tool] | None = Field(None, max_length=128)
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20), INTEGRAL] | None = None


class ChatRequest(Sampling, Output):
    """What a client asks: ``POST /chat`` and ``chat.request``.

    ``prompt`` is the new user turn after ``messages``; where the last message already is that turn it is
    not doubled. Either may be missing, not both.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["prompt"], "properties": {"prompt": {"type": "string"}}},
                {"required": ["messages"], "properties": {"messages": {"type": "array", "minItems": 1}}},
            ]
        }
    )

    prompt: Annotated[str, Field(min_length=1)] | None = None
    messages: list[Turn] | None = None
    """The conversation so far, oldest first."""
    refusal_message: Annotated[str, Field(max_length=MAX_REFUSAL_CHARS)] | None = None
    """What the client wants to be answered where the filter refuses."""
    model: Annotated[str, Field(max_length=200)] | None = None
    stream: bool = False

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.prompt is None and not self.messages:
            raise ValueError("give a prompt, or messages, or both")
        return self

    def turns(self) -> list[Turn]:
        """Return the conversation with the prompt as its last turn, oldest first."""
        turns = list(self.messages or [])
        if self.prompt is None:
            return turns
        last = Turn(role=Role.USER, content=self.prompt)
        return turns if turns and turns[-1] == last else [*turns, last]

    def sampling(self) -> Sampling:
        """Return the sampling parameters alone."""
        return Sampling.model_construct(**self._given(Sampling))

    def output(self) -> Output:
        """Return what the answer is to be, alone."""
        return Output.model_construct(**self._given(Output))

    def _given(self, part: type[BaseModel]) -> dict[str, Any]:
        return {name: getattr(self, name) for name in part.model_fields if getattr(self, name) is not None}


class ApprovedChat(_Message):
    """What the filter approved, as it lies in CHAT: the whole conversation that the model will see."""

    messages: list[Turn] = Field(min_length=1)
    """Oldest first, the policy's system prompt before all."""
    sampling: Sampling = Sampling()
    output: Output = Output()
    model: str | None = None


class Usage(_Message):
    """Counts of tokens, as llama.cpp reports them."""

    prompt_tokens: Annotated[int, Field(ge=0)]
    completion_tokens: Annotated[int, Field(ge=0)]
    total_tokens: Annotated[int, Field(ge=0)]


class Timings(_Message):
    """How fast the model was, as llama.cpp reports it."""

    prompt_per_second: Annotated[float, Field(ge=0)] | None = None
    """Tokens of the prompt a second."""
    predicted_per_second: Annotated[float, Field(ge=0)] | None = None
    """Tokens of the answer a second."""


class Refusal(_Message):
    """Why the filter refused, without the rule's words."""

    category: str
    """The kind of rule: ``profanity``, ``secrets``, ``prompt_injection`` … as the policy names it."""
    place: str
    """What was refused: ``prompt``, ``messages[3]`` (counted from 0), ``tools[0]``,
    ``response_format``, or ``joined``."""


class Reply(_Message):
    """The final answer, or the refusal in its place; the body of ``done`` and of CHAT_RESULT."""

    response: str
    id: UUID
    refused: bool = False
    model: str | None = None
    usage: Usage | None = None
    finish_reason: Literal["stop", "length", "content_filter", "tool_calls"] | None = None
    refusal: Refusal | None = None
    """Set where ``refused`` is."""
    tool_calls: list[ToolCall] | None = None
    logprobs: dict[str, Any] | None = None
    """As llama.cpp reports them, in OpenAI's shape."""
    timings: Timings | None = None

    @model_validator(mode="after")
    def _refusal_is_told(self) -> Self:
        if self.refused != (self.refusal is not None):
            raise ValueError("refusal is set where refused is, and only there")
        return self


class Stage(StrEnum):
    """How far a request has come."""

    FILTER = "filter"
    """It was being checked."""
    WAITING = "waiting"
    """It was approved, and no worker had taken it up."""
    RUNNING = "running"
    """The model was at it."""


class ErrorBody(_Message):
    """One error, for people and for programs."""

    code: Annotated[ErrorCode, Field(strict=False)]
    message: str
    """One sentence that says what to do; for people, and free to change."""
    type: str = "stile_error"
    param: str | None = None
    """The field or header at fault."""
    id: UUID | None = None
    """The request's id, where it has one."""
    final: bool
    retry_after: Annotated[float, Field(ge=0)] | None = None
    """Seconds after which a repeat may do better."""
    stage: Annotated[Stage, Field(strict=False)] | None = None
    """Where a request was whose deadline passed."""


class ErrorReply(_Message):
    """The one shape of every error, on the bus and over HTTP; the body of ``error``."""

    error: ErrorBody

    @classmethod
    def of(  # noqa: PLR0913 -- each is a field
        cls,
        code: ErrorCode,
        message: str,
        *,
        chat_id: UUID | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        stage: Stage | None = None,
    ) -> Self:
        """Make the error ``code`` with its table's finality."""
        final = ERRORS[code].final
        return cls(
            error=ErrorBody(
                code=code,
                message=message,
                id=chat_id,
                param=param,
                final=final,
                retry_after=retry_after,
                stage=stage,
            )
        )


class Event(StrEnum):
    """The kinds of reply messages; ``done`` and ``error`` are final."""

    ACCEPTED = "accepted"
    POSITION = "position"
    STARTED = "started"
    TOKEN = "token"  # noqa: S105 -- a piece of text, no secret
    DONE = "done"
    ERROR = "error"


class Wanted(StrEnum):
    """What a requester wants to hear beside the final reply (``Chat-Events``)."""

    NONE = "none"
    STATE = "state"
    TOKEN = "token"  # noqa: S105 -- a piece of text, no secret


class _Queued(_Message):
    id: UUID
    position: Annotated[int, Field(ge=0)] | None = None
    """How many requests are answered before it, the running ones among them; absent where not known."""
    estimate_seconds: Annotated[float, Field(ge=0)] | None = None
    """In how many seconds it will be begun, by the speed measured lately; absent where none was."""


class Accepted(_Queued):
    """The request is stored in CHAT; from here on it has an outcome."""


class Place(_Queued):
    """Where the request stands now; the body of ``position``."""


class Started(_Message):
    """A worker has taken the request up."""

    id: UUID
    model: str | None = None


class Token(_Message):
    """A piece of the answer."""

    text: str
    tool_calls: list[dict[str, Any]] | None = None
    """Deltas of calls, in OpenAI's shape; ``text`` may be empty then."""
    logprobs: dict[str, Any] | None = None
    """Those of this piece, in OpenAI's shape."""


class LaneState(_Message):
    """One lane of the queue."""

    waiting: Annotated[int, Field(ge=0)]
    """Approved requests that no worker has taken up."""
    estimate_seconds: Annotated[float, Field(ge=0)] | None = None
    """In how many seconds a new client's request would be begun; absent where no speed was measured."""


class QueueState(_Message):
    """All lanes."""

    interactive: LaneState
    batch: LaneState
    running: Annotated[int, Field(ge=0)]
    """Requests that a worker has taken up."""


class Heartbeat(_Message):
    """What a filter or a consumer says of itself every two seconds."""

    part: Literal["filter", "consumer"]
    instance: str
    """Unique to the process."""
    version: str
    ready: bool
    reason: str | None = None
    """Why it is not ready, one sentence."""
    model: str | None = None
    """The consumer's model, as llama.cpp names it."""
    service_seconds: Annotated[float, Field(ge=0)] | None = None
    """How long a request has lately taken from its start to its end, a moving average."""
    prompt_per_second: Annotated[float, Field(ge=0)] | None = None
    """The consumer's: tokens of prompts that its model reads a second, a moving average."""
    predicted_per_second: Annotated[float, Field(ge=0)] | None = None
    """The consumer's: tokens of answers that its model writes a second, a moving average."""
    answer_tokens: Annotated[float, Field(ge=0)] | None = None
    """The consumer's: tokens of an answer, a moving average."""
    queue: QueueState | None = None
    """The filter's: the queue as it sees it."""


class Hit(StrEnum):
    """What a cancellation has hit."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    UNKNOWN = "unknown"


class CancelReceipt(_Message):
    """What the canceller is told."""

    id: UUID
    hit: Annotated[Hit, Field(strict=False)]
