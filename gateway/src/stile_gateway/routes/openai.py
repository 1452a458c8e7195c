"""``/v1/chat/completions`` and ``/v1/models``: what OpenAI's clients speak."""

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel
from starlette.responses import JSONResponse

from stile_contracts.messages import ChatRequest, EventLevel
from stile_gateway.admission import caller_of
from stile_gateway.callers import Callers
from stile_gateway.chat import Chat
from stile_gateway.disconnect import ClientGoneError, unless_gone
from stile_gateway.errors import InternalError, ModelNotFoundError
from stile_gateway.hearing import Said
from stile_gateway.note import Note, note_of
from stile_gateway.openai.answer import Chunks, completion
from stile_gateway.openai.errors import OpenAIError
from stile_gateway.openai.request import Asked, read_completion
from stile_gateway.readiness import served_model
from stile_gateway.responses import NoResponse, streamed
from stile_gateway.routes.asking import PULSE_SECONDS, Asker
from stile_gateway.routes.documented import PARAMETERS, errors
from stile_runtime.fleet import Fleet


class Model(BaseModel):
    """A model that a consumer has."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    """When it was made is not known."""
    owned_by: Literal["stile"] = "stile"


class Models(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[Model]


_ERRORS = errors(OpenAIError)
_LOOK_ERRORS = errors(OpenAIError, 400, 401, 429, 503)

_ANSWER: dict[str, Any] = {
    "description": "A `chat.completion`; with `stream`, its `chat.completion.chunk`s as they come.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "object": {"const": "chat.completion"},
                    "created": {"type": "integer"},
                    "model": {"type": "string"},
                    "choices": {"type": "array", "minItems": 1, "maxItems": 1},
                    "usage": {"type": "object"},
                },
                "required": ["id", "object", "created", "model", "choices", "usage"],
            }
        },
        "text/event-stream": {
            "schema": {
                "description": "Server-sent events without names; `[DONE]` or an error is the last.",
                "type": "object",
                "properties": {"data": {"type": "string"}},
                "required": ["data"],
            }
        },
    },
}


def router(chat: Chat, callers: Callers, limited: type[ChatRequest], fleet: Fleet) -> APIRouter:
    """Make the routes.

    Args:
        chat: the use case.
        callers: who may ask, and how much.
        limited: the request with this installation's limits.
        fleet: has the workers' models.
    """
    routes = APIRouter(prefix="/v1", tags=["OpenAI"])
    asker = Asker(chat, callers)

    @routes.post(
        "/chat/completions",
        operation_id="chat_completions",
        summary="Ask the model as OpenAI's clients do",
        responses={200: _ANSWER, **_ERRORS},
        response_class=Response,
        openapi_extra={
            "parameters": PARAMETERS,
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/CompletionRequest"}}
                },
            },
        },
    )
    async def post_completion(request: Request) -> Response:
        """Ask the model; the filter decides first. A refusal's `finish_reason` is `content_filter`."""
        note = note_of(request.scope)
        caller = asker.caller(request)
        asked = read_completion(await request.body(), limited)
        wanted = EventLevel.TOKEN if asked.stream else EventLevel.STATE
        question = asker.question(request, caller, asked.body, wanted)
        note.chat_id = str(question.id)
        created = int(time.time())
        try:
            async with unless_gone(request.receive):
                if asked.stream:
                    chunks = Chunks(question.id, created, asked.model, include_usage=asked.include_usage)
                    return await streamed(chat.events(question, PULSE_SECONDS), chunks, note)
                said = await chat.ask(question)
        except ClientGoneError:
            return NoResponse(note)
        return _whole(said, created, asked, note)

    @routes.get("/models", operation_id="models", summary="The models", responses=_LOOK_ERRORS)
    async def get_models(request: Request) -> Models:
        """List the models of the consumers that were heard lately; without a consumer there is none."""
        caller_of(request.scope)
        return Models(data=[Model(id=name) for name in fleet.model_names()])

    @routes.get(
        "/models/{model}",
        operation_id="model",
        summary="One model",
        responses={
            **_LOOK_ERRORS,
            404: {"model": OpenAIError, "description": "`model_not_found`"},
            422: {"model": OpenAIError},
        },
    )
    async def get_model(request: Request, model: Annotated[str, Path(examples=["smollm2"])]) -> Model:
        """Tell whether a consumer that was heard lately has the model; `stile` is whichever is idle."""
        caller_of(request.scope)
        name = served_model(fleet, model)
        if name is None:
            raise ModelNotFoundError("No such model is there; see /v1/models.", param="model")
        return Model(id=name)

    return routes


def _whole(said: Said, created: int, asked: Asked, note: Note) -> Response:
    if said.reply is None:
        raise InternalError("The request ended without an answer.")
    if said.reply.refused:
        note.code = "refused"
    return JSONResponse(completion(said.reply, created, asked.model))
