"""A request's body: read once, and held to the policy's limits."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from stile_contracts import models, params, strict_json
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import ChatRequest, NamedTool, Role
from stile_filter.errors import RequestError
from stile_filter.guard import schema_cost
from stile_filter.guard.policy import ClientSystem, Limits
from stile_filter.guard.schema_cost import Path, SchemaError
from stile_filter.guard.texts import RequestTexts

MAX_PARAM_CHARS = 500
"""The names in a schema are the client's."""


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


def check_json(body: bytes) -> None:
    """Check that the worker can read the approval of a body.

    Raises:
        RequestError: it is too deep, or has a number that not every reader of JSON reads.
    """
    try:
        strict_json.check_body(body)
    except ValueError as error:
        raise RequestError(ErrorCode.INVALID_REQUEST, f"the body: {error}", param=params.BODY) from error


def model_of(request: ChatRequest) -> str | None:
    """Return the name of the model that is to answer; None if any may."""
    return request.model if models.names_one(request.model) else None


def check_limits(
    request: ChatRequest, texts: RequestTexts, limits: Limits, *, client_system: ClientSystem
) -> None:
    """Hold the request against the policy's limits.

    Raises:
        RequestError: it holds more than they allow, a ``system`` message although there may be none, a choice
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
        if message.role is Role.SYSTEM and client_system is ClientSystem.FORBID:
            raise RequestError(
                ErrorCode.INVALID_REQUEST,
                "the policy forbids system and developer messages: send user messages, "
                "or have its owner set client_system to allow or as_user",
                param=f"messages[{index}].role",
            )
    for text in texts.output:
        if text.chars > limits.message_chars:
            raise _too_large(text.location, f"{limits.message_chars} characters of JSON")
    _check_tool_choice(request)
    _check_schemas(request, limits)


def _check_tool_choice(request: ChatRequest) -> None:
    chosen = request.tool_choice
    if chosen == "required" and not request.tools:
        raise RequestError(
            ErrorCode.INVALID_REQUEST, "this request has no tool that could be required", param="tool_choice"
        )
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


def _too_large(param: str, limit: str) -> RequestError:
    return RequestError(ErrorCode.TOO_LARGE, f"{param} may hold {limit} at most", param=param)
