"""``/v1/completions``, and what there is not: ``/v1/embeddings``."""

from uuid import UUID

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from stile_gateway.dialects.base import ApiRequest
from stile_gateway.dialects.completions.answer import TextChunks, TextShape
from stile_gateway.dialects.completions.request import (
    TextCompletionCall,
    TextCompletionRequest,
    read_text_completion,
)
from stile_gateway.dialects.openai.api import OpenAI, completion_answer
from stile_gateway.dialects.openai.errors import OpenAIError
from stile_gateway.dialects.replies import reply_of
from stile_gateway.errors import NotFoundError
from stile_gateway.http.answers import answer
from stile_gateway.http.dependencies import Client, Headers, Sender
from stile_gateway.http.document import errors, request_body
from stile_gateway.http.routes import ModelRoute
from stile_gateway.requests.events import ReplyEvent

_ANSWER = completion_answer("text_completion", "A `text_completion`; with `stream`, its pieces as they come.")


class Completions(OpenAI):
    """OpenAI's text completions; errors and heads are those of its chat completions."""

    prefixes = ("/v1/completions", "/v1/embeddings")
    bodies = (TextCompletionRequest,)

    def read(self, body: bytes, request: Request) -> TextCompletionCall:  # type: ignore[override]  # noqa: ARG002 -- the base's
        """Read a ``TextCompletionRequest``."""
        return read_text_completion(body)

    def whole(self, request: ApiRequest, chat_id: UUID, event: ReplyEvent) -> Response:
        """Return a ``text_completion``."""
        assert isinstance(request, TextCompletionCall)  # noqa: S101 -- read has made it
        return JSONResponse(TextShape(chat_id, request).whole(reply_of(event)))

    def writer(self, request: ApiRequest, chat_id: UUID) -> TextChunks:  # type: ignore[override]  # another API
        """Return what writes chunks."""
        assert isinstance(request, TextCompletionCall)  # noqa: S101 -- read has made it
        return TextChunks(chat_id, request)

    def router(self) -> APIRouter:
        """Return the routes of text completions."""
        routes = APIRouter(prefix="/v1", tags=["OpenAI"])
        routes.add_api_route(
            "/completions",
            self._post,
            methods=["POST"],
            route_class_override=ModelRoute,
            operation_id="completions",
            summary="Ask the model as OpenAI's old clients do",
            responses={200: _ANSWER, **errors(shape=OpenAIError), **errors(404, shape=OpenAIError)},
            response_class=Response,
            openapi_extra=request_body(TextCompletionRequest),
        )
        routes.add_api_route("/embeddings", _embeddings, methods=["POST"], include_in_schema=False)
        return routes

    async def _post(self, request: Request, sender: Sender, headers: Headers) -> Response:
        """Answer a prompt, as a message of the user; the filter decides first."""
        return await answer(self, request, sender, headers)


async def _embeddings(_client: Client) -> None:
    """Say that there are none."""
    raise NotFoundError(
        "Stile has no embeddings: its model has one slot, and that is for chat. There are"
        " /v1/chat/completions, /v1/responses and /v1/completions."
    )
