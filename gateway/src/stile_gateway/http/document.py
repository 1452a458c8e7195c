"""The OpenAPI document: FastAPI's, with the bodies that the dialects read by themselves, and the errors."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from stile_contracts.errors import ERRORS, ErrorCode
from stile_contracts.messages import ErrorReply
from stile_gateway.clients.callers import Callers
from stile_gateway.dialects.base import Dialects
from stile_gateway.dialects.sse import MEDIA_TYPE
from stile_gateway.errors import InvalidRequestError

OPERATIONS = "operations"
"""The tag of what needs no key."""
_BAD_REQUEST, _INVALID = 400, ERRORS[ErrorCode.INVALID_REQUEST].status
_TEXT = {"type": "string"}
DATA = {"data": _TEXT}
"""The fields of a server-sent event without a name."""
NAMED_DATA = {"event": _TEXT, "data": _TEXT}
"""Those of one with a name."""
_REF = "#/components/schemas/{model}"
_RETRY = {
    name: {"description": description, "schema": {"type": "integer", "minimum": 1}}
    for name, description in (
        ("Retry-After", "Seconds after which a repeat may do better."),
        ("retry-after-ms", "The same in milliseconds."),
    )
}


def request_body(model: type[BaseModel]) -> dict[str, Any]:
    """Describe a body that the route reads by itself, once its client is known (docs/adr/0024)."""
    schema = {"$ref": _REF.format(model=model.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def answer_body(
    description: str, fields: Mapping[str, Any], streams: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Describe an answer that the route writes by itself.

    Args:
        description: of both forms.
        fields: the schemas of the object's fields; it has all of them.
        streams: the forms as a stream, by media type.
    """
    schema = {"type": "object", "properties": fields, "required": list(fields)}
    content = {"application/json": {"schema": schema}, **(streams or {})}
    return {"description": description, "content": content}


def event_stream(
    description: str, fields: Mapping[str, Any], optional: Collection[str] = ()
) -> dict[str, Any]:
    """Describe server-sent events, by their media type.

    Args:
        description: how they end.
        fields: the schemas of an event's fields.
        optional: the fields that not every event has.
    """
    required = [name for name in fields if name not in optional]
    schema = {"description": description, "type": "object", "properties": fields, "required": required}
    return {MEDIA_TYPE: {"schema": schema}}


def errors(*statuses: int, shape: type[BaseModel] = ErrorReply) -> dict[int | str, dict[str, Any]]:
    """Describe the errors of these statuses; of all but 404 and 405 if none is given."""
    every = {kind.status for kind in ERRORS.values()} - {404, 405}
    described: dict[int | str, dict[str, Any]] = {
        status: {
            "model": shape,
            "description": " or ".join(f"`{code}`" for code, kind in ERRORS.items() if kind.status == status),
        }
        for status in sorted(statuses or every)
    }
    for status in {429, 503} & described.keys():
        described[status]["headers"] = _RETRY
    return described


def document(app: FastAPI, dialects: Dialects, callers: Callers) -> Callable[[], dict[str, Any]]:
    """Return what makes ``app``'s document, once; as soon as keys are asked for, it says so."""
    for_keys = False

    def openapi() -> dict[str, Any]:
        nonlocal for_keys
        if app.openapi_schema is None or callers.need_keys is not for_keys:
            for_keys = callers.need_keys
            made = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            schemas = made["components"]["schemas"]
            for body in (body for dialect in dialects.all for body in dialect.bodies):
                schema = body.model_json_schema(ref_template=_REF)
                schemas |= schema.pop("$defs", {})
                schemas[body.__name__] = schema
            _move_invalid(made, dialects)
            if for_keys:
                _ask_for_keys(made)
            app.openapi_schema = made
        return app.openapi_schema

    return openapi


def _move_invalid(document: dict[str, Any], dialects: Dialects) -> None:
    """Describe an invalid request where each dialect has it: FastAPI's and Stile's own are 422."""
    for path, operations in document["paths"].items():
        if dialects.of(path).status(InvalidRequestError("")) != _BAD_REQUEST:
            continue
        for operation in operations.values():
            responses = operation["responses"]
            invalid = responses.pop(str(_INVALID), None)
            if invalid is None or "`" not in invalid["description"]:
                continue
            bad = responses.setdefault(str(_BAD_REQUEST), invalid)
            if bad is not invalid:
                bad["description"] += f" or {invalid['description']}"


def _ask_for_keys(document: dict[str, Any]) -> None:
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path in document["paths"].values():
        for operation in path.values():
            if operation.get("tags") != [OPERATIONS]:
                operation["security"] = [{"key": []}]
