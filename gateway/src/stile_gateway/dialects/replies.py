"""What the answers of several APIs say in the same way."""

import json
from typing import Any

from stile_contracts import strict_json
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import ErrorReply, Reply, ToolCall
from stile_gateway.dialects.places import AS_SENT, Places
from stile_gateway.errors import InternalError, RelayedError
from stile_gateway.requests.events import ReplyEvent

compact = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode
"""Writes JSON without spaces. It is made once, because a stream has an event for each token."""


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


def own_fields(reply: Reply, places: Places = AS_SENT) -> dict[str, Any]:
    """Return what Stile says of an answer, beside the fields of the API: ``stile``, or nothing.

    Args:
        reply: the answer.
        places: where in the client's own request each message is.
    """
    own: dict[str, Any] = {}
    if reply.refusal is not None:
        place = places.own(reply.refusal.place)
        own = {"refused": True, "category": reply.refusal.category, "place": place}
    if reply.trimmed is not None:
        own["trimmed"] = reply.trimmed
    return {"stile": own} if own else {}
