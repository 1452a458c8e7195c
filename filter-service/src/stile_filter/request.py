"""Reads one message off the bus: its headers, and its body, once."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import ValidationError

from stile_contracts import headers, ids, models, params, subjects
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import ChatRequest, EventLevel, NamedTool, ResponseMode, Role
from stile_contracts.subjects import Lane
from stile_filter import schema_cost
from stile_filter.errors import RequestError
from stile_filter.policy import Limits
from stile_filter.schema_cost import Path, SchemaError
from stile_filter.texts import RequestTexts

MAX_DIRECT_MS = 40 * 60 * 1000
"""How long a direct client's answer can be of use: the export forgets the way back after 45 minutes."""

MAX_KEY_CHARS = 200

MAX_PARAM_CHARS = 500
"""The names in a schema are the client's."""

_KEY = re.compile(rf"[\x21-\x7e]{{1,{MAX_KEY_CHARS}}}")
_DEADLINE = re.compile(r"[0-9]{1,16}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Incoming(NamedTuple):
    """A message as it came."""

    subject: str
    reply_to: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the headers and the subject say of a request."""

    id: UUID
    client: str
    from_gateway: bool
    keyed: bool
    lane: Lane
    deadline_ms: int
    """Milliseconds since the Unix epoch."""
    wanted: EventLevel
    reply_to: str
    traceparent: str | None
    body_sha256: str

    @property
    def place(self) -> str:
        """Its subject in CHAT once it is approved, without a model's token."""
        return subjects.approved(self.lane, self.client, self.id)

    def approved_subject(self, model: str | None) -> str:
        """Where CHAT keeps the request once it is approved, for the model of this name or for any."""
        return subjects.approved(self.lane, self.client, self.id, models.token(model) if model else None)

    @property
    def result_subject(self) -> str:
        """Where CHAT_RESULT keeps its outcome."""
        return subjects.result(self.client, self.id)


def wanted_events(incoming: Incoming) -> EventLevel:
    """Read what the requester wants to hear.

    Raises:
        RequestError: a header holds none of the known values.
    """
    events = _choice(incoming, headers.CHAT_EVENTS, EventLevel, EventLevel.NONE)
    respond = _choice(incoming, headers.CHAT_RESPOND, ResponseMode, ResponseMode.NOW)
    return EventLevel.ACCEPTED if respond == ResponseMode.LATER else EventLevel(events)


def read_envelope(incoming: Incoming, wanted: EventLevel, now_ms: int) -> Envelope:
    """Read who asks, under which id, and until when.

    Args:
        incoming: the message.
        wanted: what the requester wants to hear.
        now_ms: the time, in milliseconds since the Unix epoch.

    Raises:
        RequestError: a header is missing or holds what it can't.
    """
    try:
        origin = subjects.origin_of(incoming.subject)
    except ValueError as error:
        raise _invalid(headers.CHAT_CLIENT, "an account's name of letters, digits, _ and -") from error
    from_gateway = origin == subjects.GATEWAY
    client = client_of(origin, incoming)
    key = _matching(incoming, headers.CHAT_KEY, _KEY, f"1 to {MAX_KEY_CHARS} visible ASCII characters")
    own_id = ids.keyed_id(client, key) if key else ids.new_id()
    traceparent = incoming.headers.get(headers.TRACEPARENT, "")
    return Envelope(
        id=_id(incoming) if from_gateway else own_id,
        client=client,
        from_gateway=from_gateway,
        keyed=key is not None,
        lane=Lane(_choice(incoming, headers.CHAT_LANE, Lane, Lane.INTERACTIVE)),
        deadline_ms=_deadline(incoming, from_gateway=from_gateway, now_ms=now_ms),
        wanted=wanted,
        reply_to=incoming.reply_to,
        # W3C Trace Context: a value that can't be read is as if it were not there.
        traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent) else None,
        body_sha256=ids.body_sha256(incoming.body),
    )


def client_of(origin: str, incoming: Incoming) -> str:
    """Return who asks: an account, or of the gateway's clients the one that it names.

    Raises:
        RequestError: the gateway names none, or an account is called as only the gateway's clients are.
    """
    if origin == subjects.GATEWAY:
        client = incoming.headers.get(headers.CHAT_CLIENT, "")
        if not client.startswith(subjects.HTTP_CLIENT_PREFIX) or not subjects.is_token(client):
            raise _invalid(headers.CHAT_CLIENT, f"a token that begins with {subjects.HTTP_CLIENT_PREFIX}")
        return client
    if origin.startswith(subjects.HTTP_CLIENT_PREFIX):
        raise _invalid(headers.CHAT_CLIENT, "an account's name that does not begin with http-")
    return origin


def read_body(body: bytes) -> ChatRequest:
    """Read the body.

    Raises:
        RequestError: it is no JSON, or no request; ``param`` names the field.
    """
    try:
        return ChatRequest.model_validate_json(body)
    except ValidationError as error:
        fault = params.body_fault(error)
        raise RequestError(ErrorCode.INVALID_REQUEST, fault.reason, param=fault.param) from error


def model_of(request: ChatRequest) -> str | None:
    """Return the name of the model that is to answer; None where any may."""
    return request.model if models.names_one(request.model) else None


def check_limits(request: ChatRequest, texts: RequestTexts, limits: Limits, *, allow_system: bool) -> None:
    """Hold the request against the policy's limits.

    Raises:
        RequestError: it holds more than they allow, a ``system`` message where there may be none, a choice
            of a tool that it does not have, or a schema that llama.cpp can't be handed.
    """
    messages = request.messages or []
    if request.prompt is not None and len(request.prompt) > limits.prompt_chars:
        raise _too_large("prompt", f"{limits.prompt_chars} characters")
    if len(messages) > limits.messages:
        raise _too_large("messages", f"{limits.messages} messages")
    for index, message in enumerate(messages):
        if len(message.content or "") > limits.message_chars:
            raise _too_large(f"messages[{index}].content", f"{limits.message_chars} characters")
        calls = [call.function for call in message.tool_calls or ()]
        if sum(len(call.name) + len(call.arguments) for call in calls) > limits.message_chars:
            raise _too_large(f"messages[{index}].tool_calls", f"{limits.message_chars} characters")
        if message.role is Role.SYSTEM and not allow_system:
            raise RequestError(
                ErrorCode.INVALID_REQUEST,
                "the policy allows no system messages; send user and assistant messages",
                param=f"messages[{index}].role",
            )
    for text in texts.output:
        if text.chars > limits.message_chars:
            raise _too_large(text.place, f"{limits.message_chars} characters of JSON")
    _check_tool_choice(request)
    _check_schemas(request, limits)


def _check_tool_choice(request: ChatRequest) -> None:
    chosen = request.tool_choice
    if isinstance(chosen, NamedTool) and all(
        tool.function.name != chosen.function.name for tool in request.tools or ()
    ):
        raise RequestError(
            ErrorCode.INVALID_REQUEST,
            "no tool of this request has this name; choose one that it has",
            param="tool_choice.function.name",
        )


def _check_schemas(request: ChatRequest, limits: Limits) -> None:
    ways = elements = most = 0
    worst = ""
    for place, schema in _schemas(request):
        try:
            cost = schema_cost.cost(schema)
        except SchemaError as error:
            raise RequestError(
                ErrorCode.INVALID_REQUEST, error.reason, param=_param(place, error.path)
            ) from error
        # The model writes by one of them at a time, but llama.cpp makes a grammar of all.
        ways, elements = max(ways, cost.ways), elements + cost.elements
        if cost.most >= most:
            worst, most = _param(place, cost.worst), cost.most
        total = ways + elements // schema_cost.ELEMENTS
        if total > limits.schema_cost:
            raise RequestError(
                ErrorCode.INVALID_REQUEST,
                f"the schemas cost more than the {limits.schema_cost} that the policy allows; "
                "use fewer alternatives and repetitions, above all here",
                param=worst,
            )


def _schemas(request: ChatRequest) -> Iterator[tuple[str, dict[str, Any]]]:
    for index, tool in enumerate(request.tools or ()):
        yield f"tools[{index}].function.parameters", tool.function.parameters or {}
    if request.response_format and request.response_format.json_schema:
        yield "response_format.json_schema.schema", request.response_format.json_schema.schema_ or {}


def _param(place: str, path: Path) -> str:
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return (place + steps)[:MAX_PARAM_CHARS]


def _id(incoming: Incoming) -> UUID:
    text = incoming.headers.get(headers.CHAT_ID, "")
    try:
        chat_id = UUID(text)
    except ValueError as error:
        raise _invalid(headers.CHAT_ID, "a UUID in lower case with hyphens") from error
    if str(chat_id) != text:
        raise _invalid(headers.CHAT_ID, "a UUID in lower case with hyphens")
    return chat_id


def _deadline(incoming: Incoming, *, from_gateway: bool, now_ms: int) -> int:
    text = _matching(incoming, headers.CHAT_DEADLINE, _DEADLINE, "milliseconds since the Unix epoch")
    if from_gateway:
        if text is None:
            raise _invalid(headers.CHAT_DEADLINE, "milliseconds since the Unix epoch")
        return int(text)
    latest = now_ms + MAX_DIRECT_MS
    return min(int(text), latest) if text else latest


def _choice(incoming: Incoming, header: str, choices: type[StrEnum], default: str) -> str:
    value = incoming.headers.get(header, default)
    if value not in choices.__members__.values():
        raise _invalid(header, "one of " + ", ".join(choices))
    return value


def _matching(incoming: Incoming, header: str, pattern: re.Pattern[str], shape: str) -> str | None:
    value = incoming.headers.get(header)
    if value is not None and not pattern.fullmatch(value):
        raise _invalid(header, shape)
    return value


def _invalid(header: str, shape: str) -> RequestError:
    return RequestError(ErrorCode.INVALID_HEADER, f"{header} must be {shape}", param=header)


def _too_large(param: str, limit: str) -> RequestError:
    return RequestError(ErrorCode.TOO_LARGE, f"{param} may hold {limit} at most", param=param)
