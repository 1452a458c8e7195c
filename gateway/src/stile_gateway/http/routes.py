"""The routes that ask the model: each request takes one, so FastAPI resolves nothing for it."""

from collections.abc import Callable, Coroutine
from typing import Any, get_type_hints

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from stile_gateway.http.dependencies import ChatHeaders, sender


class ModelRoute(APIRoute):
    """Calls its endpoint with the request, the client and the headers that the endpoint's signature names.

    The document is made of the same signature, as for every route. FastAPI's own way to a model of headers
    takes a quarter of a request's processor time in the gateway (docs/adr/0059).
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request; FastAPI's place for this."""
        endpoint = self.endpoint
        model: type[ChatHeaders] = get_type_hints(endpoint)["headers"]
        aliases = [field.alias or name for name, field in model.model_fields.items()]
        nothing = model()

        async def handle(request: Request) -> Response:
            client = await sender(request)
            values = _values(request.headers, aliases)
            response: Response = await endpoint(request, client, _read(model, values) if values else nothing)
            return response

        return handle


def _values(headers: Headers, aliases: list[str]) -> dict[str, str]:
    return {alias: value for alias in aliases if (value := headers.get(alias)) is not None}


def _read(model: type[ChatHeaders], values: dict[str, str]) -> ChatHeaders:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise RequestValidationError(
            [{**fault, "loc": ("header", *fault["loc"])} for fault in faults]
        ) from None
