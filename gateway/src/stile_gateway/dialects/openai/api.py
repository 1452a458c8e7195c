"""``/v1/chat/completions`` and ``/v1/models``: what OpenAI's clients use."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel
from starlette.responses import JSONResponse

from stile_gateway.dialects.base import ApiRequest, Dialect
from stile_gateway.dialects.faults import foreign_status
from stile_gateway.dialects.openai.answer import completion
from stile_gateway.dialects.openai.errors import OpenAIError, openai_error
from stile_gateway.dialects.openai.request import CompletionCall, CompletionRequest, read_completion
from stile_gateway.dialects.openai.stream import Chunks
from stile_gateway.dialects.replies import reply_of
from stile_gateway.errors import GatewayError, ModelNotFoundError
from stile_gateway.http.answers import answer
from stile_gateway.http.dependencies import Client, Headers, Sender, services_of
from stile_gateway.http.document import DATA, answer_body, errors, event_stream, request_body
from stile_gateway.http.readiness import served_model
from stile_gateway.http.routes import ModelRoute
from stile_gateway.requests.events import ReplyEvent
from stile_runtime.fleet import Fleet

PROCESSING_MS = "openai-processing-ms"
"""What OpenAI's answers carry: milliseconds until the first byte."""


class ModelMeta(BaseModel):
    """What llama.cpp's own ``/v1/models`` says there, as far as it is known."""

    n_ctx: int
    """Tokens of a conversation with its answer."""


class Model(BaseModel):
    """A model that a worker has."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    """When it was made is not known."""
    owned_by: Literal["stile"] = "stile"
    meta: ModelMeta | None = None
    max_model_len: int | None = None
    """``meta.n_ctx``, as vLLM names it."""
    context_length: int | None = None
    """``meta.n_ctx``, as OpenRouter names it."""


class Models(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[Model]


def completion_answer(kind: str, description: str) -> dict[str, Any]:
    """Describe a completion, whole or as a stream; ``kind`` is its ``object``."""
    fields = {
        "id": {"type": "string"},
        "object": {"const": kind},
        "created": {"type": "integer"},
        "model": {"type": "string"},
        "choices": {"type": "array", "minItems": 1, "maxItems": 1},
        "usage": {"type": "object"},
    }
    end = "Server-sent events without names; `[DONE]` or an error is the last."
    return answer_body(description, fields, event_stream(end, DATA))


_ANSWER = completion_answer(
    "chat.completion", "A `chat.completion`; with `stream`, its `chat.completion.chunk`s as they come."
)
_MODEL_ERRORS = errors(400, 401, 429, 503, shape=OpenAIError)


class OpenAI(Dialect):
    """OpenAI's chat completions."""

    prefixes: ClassVar[tuple[str, ...]] = (
        *("/v1", "/v1/chat/completions", "/v1/models"),
        *("/chat/completions", "/completions", "/models"),
    )
    """OpenAI's clients read the errors of addresses that Stile lacks, too."""
    bodies: ClassVar[tuple[type[BaseModel], ...]] = (CompletionRequest,)

    def read(self, body: bytes, request: Request) -> CompletionCall:  # noqa: ARG002 -- the base's
        """Read a ``CompletionRequest``."""
        return read_completion(body)

    def whole(self, request: ApiRequest, chat_id: UUID, event: ReplyEvent) -> Response:  # noqa: ARG002 -- the base's
        """Return a ``chat.completion``."""
        assert isinstance(request, CompletionCall)  # noqa: S101 -- read has made it
        return JSONResponse(completion(reply_of(event), request.created, request.model))

    def writer(self, request: ApiRequest, chat_id: UUID) -> Chunks:
        """Return what writes chunks."""
        assert isinstance(request, CompletionCall)  # noqa: S101 -- read has made it
        return Chunks(chat_id, request.created, request.model, include_usage=request.include_usage)

    def error(self, error: GatewayError) -> bytes:
        """Write an error in OpenAI's shape."""
        return json.dumps(openai_error(error), ensure_ascii=False).encode()

    def status(self, error: GatewayError) -> int:
        """Return the HTTP status: an invalid request is a 400."""
        return foreign_status(error)

    def error_headers(self, error: GatewayError) -> Mapping[str, str]:
        """Say if a repeat is of no use: OpenAI's clients repeat a 5xx by themselves."""
        return {"x-should-retry": "false"} if error.reply().error.final else {}

    def answer_headers(self, seconds: float) -> Mapping[str, str]:
        """Say how long it took."""
        return {PROCESSING_MS: str(round(seconds * 1000))}

    def router(self) -> APIRouter:
        """Return the routes of chat completions and of models."""
        routes = APIRouter(prefix="/v1", tags=["OpenAI"])
        routes.add_api_route(
            "/chat/completions",
            self._post,
            methods=["POST"],
            route_class_override=ModelRoute,
            operation_id="chat_completions",
            summary="Ask the model as OpenAI's clients do",
            responses={200: _ANSWER, **errors(shape=OpenAIError)},
            response_class=Response,
            openapi_extra=request_body(CompletionRequest),
        )
        routes.add_api_route(
            "/models",
            _get_models,
            operation_id="models",
            summary="The models",
            responses=_MODEL_ERRORS,
            response_model_exclude_none=True,
        )
        routes.add_api_route(
            "/models/{model}",
            _get_model,
            operation_id="model",
            summary="One model",
            response_model_exclude_none=True,
            responses={
                **_MODEL_ERRORS,
                404: {"model": OpenAIError, "description": "`model_not_found`"},
            },
        )
        return routes

    async def _post(self, request: Request, sender: Sender, headers: Headers) -> Response:
        """Ask the model; the filter decides first. A refusal's `finish_reason` is `content_filter`."""
        return await answer(self, request, sender, headers)


async def _get_models(request: Request, _client: Client) -> Models:
    """List the models of the workers that were heard lately; without a worker there is none."""
    fleet = services_of(request).fleet
    return Models(data=[_described(fleet, name) for name in fleet.model_names()])


async def _get_model(
    request: Request, _client: Client, model: Annotated[str, Path(examples=["smollm2"])]
) -> Model:
    """Tell whether a living worker has the model; `stile` stands for any model."""
    fleet = services_of(request).fleet
    name = served_model(fleet, model)
    if name is None:
        raise ModelNotFoundError("No such model is there; see /v1/models.", param="model")
    return _described(fleet, name)


def _described(fleet: Fleet, name: str) -> Model:
    n_ctx = fleet.context(name)
    if n_ctx is None:
        return Model(id=name)
    return Model(id=name, meta=ModelMeta(n_ctx=n_ctx), max_model_len=n_ctx, context_length=n_ctx)
