"""What the routes use: the services, and what the head of an HTTP request says."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from stile_contracts.ids import keyed_id, new_id
from stile_contracts.messages import EventLevel, Trim
from stile_contracts.subjects import Lane
from stile_gateway.bus import NatsBus
from stile_gateway.clients.callers import LANE, Caller, Callers
from stile_gateway.dialects.base import ApiRequest
from stile_gateway.errors import TooLongError, UnsupportedMediaTypeError
from stile_gateway.http.middleware.access import REQUEST_ID
from stile_gateway.http.middleware.admission import caller_of
from stile_gateway.http.middleware.compression import TAKEN, encoding_of
from stile_gateway.metrics import Metrics
from stile_gateway.requests.conversations import Conversations
from stile_gateway.requests.request import ClientRequest
from stile_gateway.requests.service import RequestService
from stile_runtime import tracing
from stile_runtime.fleet import Fleet

IDEMPOTENCY_KEY = "Idempotency-Key"
TRIM = "Stile-Trim"
TIMEOUT = "Stile-Timeout"
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_JSON = re.compile(r"application/(?:[a-z0-9.!#$&^_-]+\+)?json\s*(?:;.*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ContentLimits:
    """Limits of this gateway alone; None: no limit. The filter's policy has those of all (docs/adr/0025)."""

    prompt_chars: int | None = None
    message_chars: int | None = None
    messages: int | None = None

    def check(self, prompt: str | None, contents: Sequence[str | None]) -> None:
        """Hold a request to the limits.

        Args:
            prompt: the request's.
            contents: the text of each message.

        Raises:
            TooLongError: it is over one; ``param`` is the field.
        """
        if self.messages is not None and len(contents) > self.messages:
            raise _over("messages", f"{self.messages} messages")
        if self.message_chars is not None:
            for index, content in enumerate(contents):
                if content is not None and len(content) > self.message_chars:
                    raise _over(f"messages[{index}].content", f"{self.message_chars} characters")
        if self.prompt_chars is not None and prompt is not None and len(prompt) > self.prompt_chars:
            raise _over("prompt", f"{self.prompt_chars} characters")


def _over(param: str, limit: str) -> TooLongError:
    return TooLongError(f"{param}: at most {limit}.", param=param)


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes of one application use; made once by ``app``."""

    requests: RequestService
    conversations: Conversations
    callers: Callers
    limits: ContentLimits
    fleet: Fleet
    bus: NatsBus
    metrics: Metrics


def services_of(request: Request) -> Services:
    """Return the services of the application that answers a request."""
    services: Services = request.app.state.services
    return services


class ChatHeaders(BaseModel):
    """The headers of every route that asks the model. None of them is ever ``null`` in the document."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    key: Annotated[str, Field(pattern="^[!-~]{1,255}$")] | SkipJsonSchema[None] = Field(
        None, alias=IDEMPOTENCY_KEY
    )
    """The same key and body again give the same answer, generated once."""
    lane: Lane | SkipJsonSchema[None] = Field(None, alias=LANE)
    """`batch` waits behind people: one of its requests is answered for three of theirs."""
    timeout: Annotated[str, Field(pattern="^0*[1-9][0-9]{0,8}(?:ms|s|m)$")] | SkipJsonSchema[None] = Field(
        None, alias=TIMEOUT
    )
    """How long an answer is of use: `500ms`, `30s`, `2m`; at most what is configured."""
    trim: Trim | SkipJsonSchema[None] = Field(None, alias=TRIM)
    """`oldest`: if the conversation is too long for the model, its oldest exchanges are left out."""
    request_id: str | SkipJsonSchema[None] = Field(None, alias=REQUEST_ID)
    """Comes back in the answer and is in the log; one that is unfit is replaced."""

    @property
    def timeout_seconds(self) -> float | None:
        """The timeout in seconds."""
        if self.timeout is None:
            return None
        number = self.timeout.rstrip("ms")
        return int(number) * _SECONDS[self.timeout[len(number) :]]


async def caller(request: Request) -> Caller:
    """Return the client of a request.

    Raises:
        InvalidApiKeyError: keys are asked for, and the client has sent no known one.
    """
    return caller_of(request.scope)


async def sender(request: Request) -> Caller:
    """Return the client of a request to the model, before its body is read.

    The request counts for its key's minute, whatever its body is. One that joins another does not.

    Raises:
        InvalidApiKeyError: keys are asked for, and the client has sent no known one.
        ClientLimitError: it is one too many for the key's minute.
        UnsupportedMediaTypeError: the body is not JSON, or compressed in another way than ``TAKEN``.
    """
    services, client = services_of(request), caller_of(request.scope)
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is None or not services.requests.is_in_flight(keyed_id(client.client, key)):
        services.callers.spend(client)
    if encoding_of(request.headers) is None:
        raise UnsupportedMediaTypeError(
            f"Send the body without Content-Encoding, or as one of {', '.join(TAKEN)}.",
            param="Content-Encoding",
        )
    if not _JSON.fullmatch(request.headers.get("content-type", "")):
        raise UnsupportedMediaTypeError("Send the body as application/json.", param="Content-Type")
    return client


Client = Annotated[Caller, Depends(caller)]
Sender = Annotated[Caller, Depends(sender)]
Headers = Annotated[ChatHeaders, Header()]


def client_request(request: Request, client: Caller, headers: ChatHeaders, api: ApiRequest) -> ClientRequest:
    """Return a request as it goes to the bus.

    Raises:
        InvalidHeaderError: the client's key may not use the lane.
        TooLongError: the content is over a limit of this gateway.
        ClientLimitError: more requests are in flight than the client's key may have.
    """
    services = services_of(request)
    try:
        services.limits.check(api.prompt, api.contents)
    except TooLongError as error:
        error.locate(api.places.own)
        raise
    outlives = api.answer_later or headers.key is not None
    made = ClientRequest(
        id=new_id() if headers.key is None else keyed_id(client.client, headers.key),
        client=client.client,
        body=api.body,
        # A stream may join a request that outlives its client at any time.
        level=EventLevel.TOKEN if api.is_stream or outlives else EventLevel.STATE,
        lane=client.lane(headers.lane),
        key=headers.key,
        timeout=headers.timeout_seconds,
        trim=api.trim or headers.trim,
        traceparent=tracing.traceparent() or _traceparent(request),
        answer_later=api.answer_later,
    )
    tracing.note("stile.chat_id", str(made.id))
    tracing.note("stile.client", made.client)
    if not services.requests.is_in_flight(made.id):
        services.callers.admit(client, services.requests.in_flight(client.client))
    return made


def _traceparent(request: Request) -> str | None:
    """Return the client's trace context, which is passed on even if this gateway sends no spans."""
    given = request.headers.get("traceparent")
    return given if given and _TRACEPARENT.fullmatch(given) else None
