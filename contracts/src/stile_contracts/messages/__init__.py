"""The bodies of Stile's messages, version 1, as JSON.

Readers ignore fields that they do not know. Writers write only these fields. Fields may be added; a
message with a changed meaning is ``v2``. The exported JSON Schemas are in ``contracts/schemas/v1``.
"""

from stile_contracts.messages.answer_check import AnswerCheck, AnswerKind, AnswerPart, AnswerVerdict
from stile_contracts.messages.base import INTEGRAL, CallId, FunctionName, Message
from stile_contracts.messages.chat_message import (
    ChatMessage,
    FunctionCall,
    HistoryToolCall,
    Role,
    ToolCall,
    roles_schema,
)
from stile_contracts.messages.console import (
    CancelRequest,
    HoldState,
    PolicyFault,
    PolicyVerdict,
    QueuedRequest,
    QueueListing,
    RuleVerdict,
    VerdictRequest,
)
from stile_contracts.messages.event import (
    AcceptedEvent,
    CancelHit,
    CancelReceipt,
    EventKind,
    EventLevel,
    PositionEvent,
    ResponseMode,
    StartedEvent,
    TokenEvent,
)
from stile_contracts.messages.heartbeat import Heartbeat, LaneState, QueueState
from stile_contracts.messages.log_record import LogRecord
from stile_contracts.messages.output import (
    LOGPROBS_SCHEMA,
    Constraints,
    JsonSchema,
    MaxTokens,
    NamedFunction,
    NamedTool,
    Output,
    ResponseFormat,
    Sampling,
    Tool,
    ToolFunction,
)
from stile_contracts.messages.reply import ErrorBody, ErrorReply, Refusal, Reply, Stage, Timings, Usage
from stile_contracts.messages.request import MAX_REFUSAL_CHARS, OWNERS_END, ApprovedChat, ChatRequest

__all__ = [
    "INTEGRAL",
    "LOGPROBS_SCHEMA",
    "MAX_REFUSAL_CHARS",
    "OWNERS_END",
    "AcceptedEvent",
    "AnswerCheck",
    "AnswerKind",
    "AnswerPart",
    "AnswerVerdict",
    "ApprovedChat",
    "CallId",
    "CancelHit",
    "CancelReceipt",
    "CancelRequest",
    "ChatMessage",
    "ChatRequest",
    "Constraints",
    "ErrorBody",
    "ErrorReply",
    "EventKind",
    "EventLevel",
    "FunctionCall",
    "FunctionName",
    "Heartbeat",
    "HistoryToolCall",
    "HoldState",
    "JsonSchema",
    "LaneState",
    "LogRecord",
    "MaxTokens",
    "Message",
    "NamedFunction",
    "NamedTool",
    "Output",
    "PolicyFault",
    "PolicyVerdict",
    "PositionEvent",
    "QueueListing",
    "QueueState",
    "QueuedRequest",
    "Refusal",
    "Reply",
    "ResponseFormat",
    "ResponseMode",
    "Role",
    "RuleVerdict",
    "Sampling",
    "Stage",
    "StartedEvent",
    "Timings",
    "TokenEvent",
    "Tool",
    "ToolCall",
    "ToolFunction",
    "Usage",
    "VerdictRequest",
    "roles_schema",
]
