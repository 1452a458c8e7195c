"""The bodies of Stile's messages, version 1, as JSON.

Readers ignore fields they do not know; writers write these and no others. Only fields may be added; a
changed meaning is a ``v2``. ``contracts/schemas/v1`` holds the exported JSON Schemas.
"""

from stile_contracts.messages.base import INTEGRAL, CallId, FunctionName, Message
from stile_contracts.messages.event import (
    Accepted,
    CancelReceipt,
    Event,
    Hit,
    Place,
    Respond,
    Started,
    Token,
    Wanted,
)
from stile_contracts.messages.output import (
    LOGPROBS_SCHEMA,
    JsonSchema,
    NamedFunction,
    NamedTool,
    Output,
    ResponseFormat,
    Sampling,
    Tool,
    ToolFunction,
)
from stile_contracts.messages.presence import Heartbeat, LaneState, QueueState
from stile_contracts.messages.reply import ErrorBody, ErrorReply, Refusal, Reply, Stage, Timings, Usage
from stile_contracts.messages.request import MAX_REFUSAL_CHARS, ApprovedChat, ChatRequest
from stile_contracts.messages.turn import FunctionCall, PastToolCall, Role, ToolCall, Turn, roles_schema

__all__ = [
    "INTEGRAL",
    "LOGPROBS_SCHEMA",
    "MAX_REFUSAL_CHARS",
    "Accepted",
    "ApprovedChat",
    "CallId",
    "CancelReceipt",
    "ChatRequest",
    "ErrorBody",
    "ErrorReply",
    "Event",
    "FunctionCall",
    "FunctionName",
    "Heartbeat",
    "Hit",
    "JsonSchema",
    "LaneState",
    "Message",
    "NamedFunction",
    "NamedTool",
    "Output",
    "PastToolCall",
    "Place",
    "QueueState",
    "Refusal",
    "Reply",
    "Respond",
    "ResponseFormat",
    "Role",
    "Sampling",
    "Stage",
    "Started",
    "Timings",
    "Token",
    "Tool",
    "ToolCall",
    "ToolFunction",
    "Turn",
    "Usage",
    "Wanted",
    "roles_schema",
]
