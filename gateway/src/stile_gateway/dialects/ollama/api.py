"""``/api/…``: what Ollama's clients use."""

import json
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from stile_gateway.dialects.base import ApiRequest, Dialect
from stile_gateway.dialects.bodies import json_object, validated
from stile_gateway.dialects.faults import foreign_status
from stile_gateway.dialects.ollama.answer import Shape
from stile_gateway.dialects.ollama.catalogue import (
    ListedModels,
    LoadedModels,
    ShownModel,
    ShowRequest,
    Version,
    listed,
    loaded,
    shown,
)
from stile_gateway.dialects.ollama.errors import OllamaError, ollama_error
from stile_gateway.dialects.ollama.request import (
    OllamaCall,
    OllamaChatRequest,
    OllamaGenerateRequest,
    plain_name,
    read_chat,
    read_generate,
)
from stile_gateway.dialects.ollama.stream import Lines
from stile_gateway.dialects.replies import reply_of
from stile_gateway.errors import GatewayError, ModelNotFoundError, UnsupportedParameterError
from stile_gateway.http.answers import send
from stile_gateway.http.dependencies import Client, Headers, Sender, client_request, services_of
from stile_gateway.http.document import answer_body, errors, request_body
from stile_gateway.http.readiness import served_model
from stile_gateway.http.routes import ModelRoute
from stile_gateway.requests.events import ReplyEvent

_CHAT, _GENERATE = "/chat", "/generate"
_CHANGES = (
    *(("POST", path) for path in ("/pull", "/push", "/create", "/copy", "/blobs/{digest}")),
    ("DELETE", "/delete"),
)
"""What would change the models."""
_MISSING = ("/embed", "/embeddings")


def _answers(text: str) -> dict[str, Any]:
    """Describe an answer whose text is in the field ``text``."""
    fields = {
        "model": {"type": "string"},
        "created_at": {"type": "string", "format": "date-time"},
        text: {"type": "object" if text == "message" else "string"},
        "done": {"type": "boolean"},
    }
    lines = {"schema": {"description": "One such object a line.", "type": "string"}}
    return answer_body(
        "Lines as they come, the last with `done`; without `stream`, one object.",
        fields,
        {Lines.media_type: lines},
    )


_ERRORS = {**errors(shape=OllamaError), **errors(404, shape=OllamaError)}
_MODEL_ERRORS = errors(400, 401, 429, 503, shape=OllamaError)


class Ollama(Dialect):
    """Ollama's chat and generate."""

    prefixes = ("/api",)
    bodies = (OllamaChatRequest, OllamaGenerateRequest, ShowRequest)

    def read(self, body: bytes, request: Request) -> OllamaCall:
        """Read a chat or a prompt."""
        return read_generate(body) if request.url.path.endswith(_GENERATE) else read_chat(body)

    def whole(self, request: ApiRequest, chat_id: UUID, event: ReplyEvent) -> Response:  # noqa: ARG002 -- the base's
        """Return one object."""
        assert isinstance(request, OllamaCall)  # noqa: S101 -- read has made it
        return JSONResponse(Shape(request).whole(reply_of(event)))

    def writer(self, request: ApiRequest, chat_id: UUID) -> Lines:  # noqa: ARG002 -- the base's
        """Return what writes lines."""
        assert isinstance(request, OllamaCall)  # noqa: S101 -- read has made it
        return Lines(request)

    def error(self, error: GatewayError) -> bytes:
        """Write an error in Ollama's shape."""
        return json.dumps(ollama_error(error), ensure_ascii=False).encode()

    def status(self, error: GatewayError) -> int:
        """Return Ollama's status: what is wrong with a request is a 400."""
        return foreign_status(error)

    def router(self) -> APIRouter:
        """Return the routes of chats and of models."""
        routes = APIRouter(prefix="/api", tags=["Ollama"])
        for path, body, text in (
            (_CHAT, OllamaChatRequest, "message"),
            (_GENERATE, OllamaGenerateRequest, "response"),
        ):
            routes.add_api_route(
                path,
                self._post,
                methods=["POST"],
                route_class_override=ModelRoute,
                operation_id=f"ollama{path.replace('/', '_')}",
                summary="Ask the model as Ollama's clients do",
                responses={200: _answers(text), **_ERRORS},
                response_class=Response,
                openapi_extra=request_body(body),
            )
        for path, get, summary in (
            ("/tags", _get_tags, "The models"),
            ("/ps", _get_ps, "The models that are loaded: all of them"),
            ("/version", _get_version, "The version of Ollama whose API this is"),
        ):
            routes.add_api_route(
                path,
                get,
                operation_id=f"ollama{path.replace('/', '_')}",
                summary=summary,
                responses=_MODEL_ERRORS,
            )
        routes.add_api_route(
            "/show",
            _show,
            methods=["POST"],
            operation_id="ollama_show",
            summary="One model",
            responses=_ERRORS,
            openapi_extra=request_body(ShowRequest),
        )
        for method, path in _CHANGES:
            routes.add_api_route(path, _refuse, methods=[method], include_in_schema=False)
        for path in _MISSING:
            routes.add_api_route(path, _refuse_embedding, methods=["POST"], include_in_schema=False)
        return routes

    async def _post(self, request: Request, sender: Sender, headers: Headers) -> Response:
        """Ask the model; the filter decides first. A refusal's `done_reason` is `content_filter`."""
        call = self.read(await request.body(), request)
        if call.loads is not None:
            _served(request, call.model)
            return JSONResponse(Shape(call).loaded())
        return await send(self, call, request, client_request(request, sender, headers, call))


async def _get_tags(request: Request, _client: Client) -> ListedModels:
    """List the models of the workers that were heard lately; without a worker there is none."""
    return ListedModels(models=[listed(name) for name in services_of(request).fleet.model_names()])


async def _get_ps(request: Request, _client: Client) -> LoadedModels:
    """List the same models: a worker's model stays loaded."""
    fleet = services_of(request).fleet
    return LoadedModels(models=[loaded(name, fleet.context(name)) for name in fleet.model_names()])


async def _get_version(_client: Client) -> Version:
    """Tell the version."""
    return Version()


async def _show(request: Request, _client: Client) -> ShownModel:
    """Tell what is known of a model; `stile` stands for any model."""
    asked = validated(ShowRequest, json_object(await request.body()))
    name = _served(request, plain_name(asked.named))
    fleet = services_of(request).fleet
    return shown(fleet.context(name), knows_tools=fleet.knows_tools(name))


async def _refuse(_client: Client) -> Response:
    raise UnsupportedParameterError("Stile's models are its owner's: no client can change them.")


async def _refuse_embedding(_client: Client) -> Response:
    raise UnsupportedParameterError("Stile's models write answers, and no embeddings.")


def _served(request: Request, model: str) -> str:
    name = served_model(services_of(request).fleet, model)
    if name is None:
        raise ModelNotFoundError(f"model '{model}' not found; see /api/tags", param="model")
    return name
