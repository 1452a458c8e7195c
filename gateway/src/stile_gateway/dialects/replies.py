"""What the answers of several APIs say in the same way."""

from collections.abc import Sequence
from typing import Any

from stile_contracts import strict_json
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import ErrorReply, Refusal, Reply, ToolCall
from stile_gateway.errors import InternalError, RelayedError
from stile_gateway.requests.events import ReplyEvent


def reply_of(event: ReplyEvent) -> Reply:
    """Return the whole answer.

    Raises:
        InternalError: the event is another one.
    """
    if not isinstance(event.body, Reply):
        raise InternalError("The request ended without an answer.")
    return event.body


def arguments_of(call: ToolCall) -> dict[str, Any]:
    """Return the arguments of a call as an object.

    Raises:
        RelayedError: the model has written something else.
    """
    try:
        return strict_json.read_object(call.function.arguments or "{}")
    except ValueError:
        reply = ErrorReply.of(
            ErrorCode.MODEL_FAILED, "The model called a tool with arguments that are no JSON object."
        )
        raise RelayedError(reply) from None


def place_of(refusal: Refusal, places: Sequence[str], response_format: str) -> str:
    """Return where the filter found something, as the client knows its own request.

    Args:
        refusal: has the place in the ``ChatRequest``.
        places: where in the client's request each message is.
        response_format: what the client calls that field.
    """
    for index, own in enumerate(places):
        if refusal.place == f"messages[{index}]":
            return own
    return response_format if refusal.place == "response_format" else refusal.place


def own_fields(reply: Reply, place: str | None = None) -> dict[str, Any]:
    """Return what Stile says of an answer, beside the fields of the API: ``stile``, or nothing.

    Args:
        reply: the answer.
        place: where in the client's own request the filter found something; None: as the filter says.
    """
    own: dict[str, Any] = {}
    if reply.refusal is not None:
        own = {"refused": True, "category": reply.refusal.category, "place": place or reply.refusal.place}
    if reply.trimmed is not None:
        own["trimmed"] = reply.trimmed
    return {"stile": own} if own else {}
