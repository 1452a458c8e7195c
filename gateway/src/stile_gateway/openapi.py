"""The OpenAPI document: FastAPI's, with the requests that the chat routes read by themselves."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from stile_contracts.messages import ChatRequest
from stile_gateway.callers import Callers
from stile_gateway.openai.request import CompletionRequest

OPERATIONS = "operations"
"""The tag of what needs no key."""
_REF = "#/components/schemas/{model}"


def document(app: FastAPI, model: type[ChatRequest], callers: Callers) -> Callable[[], dict[str, Any]]:
    """Return what makes ``app``'s document, once; as soon as keys are asked for, it says where."""
    for_keys = False

    def openapi() -> dict[str, Any]:
        nonlocal for_keys
        if app.openapi_schema is None or callers.need_keys is not for_keys:
            for_keys = callers.need_keys
            made = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            schemas = made["components"]["schemas"]
            for name, read in (("CompletionRequest", CompletionRequest), ("ChatRequest", model)):
                schema = read.model_json_schema(ref_template=_REF)
                schemas |= schema.pop("$defs")
                schemas[name] = schema
            if for_keys:
                _ask_for_keys(made)
            app.openapi_schema = made
        return app.openapi_schema

    return openapi


def _ask_for_keys(document: dict[str, Any]) -> None:
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path in document["paths"].values():
        for operation in path.values():
            if operation.get("tags") != [OPERATIONS]:
                operation["security"] = [{"key": []}]
