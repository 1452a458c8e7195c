"""What can go wrong between an HTTP request and its answer, as one tree.

::

    GatewayError
     ├ RequestError               the request's own fault
     │   ├ InvalidRequestError          invalid_request 422
     │   │   └ TooLongError                 the same
     │   ├ InvalidHeaderError           invalid_header 400
     │   ├ TooLargeError                too_large 413
     │   ├ UnsupportedMediaTypeError    unsupported_media_type 415
     │   ├ NotFoundError                not_found 404
     │   ├ MethodNotAllowedError        method_not_allowed 405
     │   ├ KeyConflictError             key_conflict 422
     │   ├ UnsupportedParameterError    unsupported_parameter 400
     │   └ InvalidApiKeyError           invalid_api_key 401
     ├ UnavailableError           temporary; surely not stored
     │   ├ BusUnavailableError          bus_unavailable 503
     │   ├ NoFilterError                no_filter 503
     │   ├ TooManyWaitingError          queue_full 503
     │   ├ ClientLimitError             client_queue_full 429
     │   ├ ModelNotFoundError           model_not_found 404
     │   └ ShuttingDownError            shutting_down 503
     ├ UnknownOutcomeError        the request may be waiting, running, or done
     │   ├ AcceptTimeoutError           accept_timeout 504
     │   ├ AnswerTimeoutError           answer_timeout 504
     │   └ InternalError                internal 500
     └ RelayedError               the error of the filter or the worker, with its own code

Foreign errors are translated at the edge: nats-py's in ``bus``, pydantic's and FastAPI's in
``dialects.faults``, Starlette's in ``from_http``. ``stile_contracts.errors`` says what each means to a
client.
"""

from collections.abc import Callable, Sequence
from uuid import UUID

from stile_contracts.errors import ERRORS, ErrorCode
from stile_contracts.messages import ErrorReply


class GatewayError(Exception):
    """Any error that a client can be answered with.

    Args:
        message: one sentence for people, without text of the client and without a path.
        param: the field or header at fault.
        retry_after: seconds after which a repeat may do better.
    """

    code: ErrorCode
    """The class's own; a relayed error has the one that it came with."""

    def __init__(self, message: str, *, param: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after
        self.chat_id: UUID | None = None
        """Set as soon as the request has an id."""

    def locate(self, own: Callable[[str], str]) -> None:
        """Name the field at fault as the client does: ``own`` translates its place in the ``ChatRequest``."""
        if self.param is not None:
            self.param = own(self.param)

    def reply(self) -> ErrorReply:
        """Return the body that the client gets."""
        return ErrorReply.of(
            self.code, self.message, chat_id=self.chat_id, param=self.param, retry_after=self.retry_after
        )


class RequestError(GatewayError):
    """The same request would fail again."""


class InvalidRequestError(RequestError):
    """The body is no request, or beyond a limit."""

    code = ErrorCode.INVALID_REQUEST


class TooLongError(InvalidRequestError):
    """The conversation is longer than this gateway takes."""


class InvalidHeaderError(RequestError):
    """A header cannot be read."""

    code = ErrorCode.INVALID_HEADER


class TooLargeError(RequestError):
    """The body has too many bytes."""

    code = ErrorCode.TOO_LARGE


class UnsupportedMediaTypeError(RequestError):
    """The body is not declared as JSON."""

    code = ErrorCode.UNSUPPORTED_MEDIA_TYPE


class NotFoundError(RequestError):
    """There is nothing at this address."""

    code = ErrorCode.NOT_FOUND


class MethodNotAllowedError(RequestError):
    """There is something at this address, for other methods."""

    code = ErrorCode.METHOD_NOT_ALLOWED


class KeyConflictError(RequestError):
    """The idempotency key belongs to another request."""

    code = ErrorCode.KEY_CONFLICT


class UnsupportedParameterError(RequestError):
    """The request asks for something that Stile does not do."""

    code = ErrorCode.UNSUPPORTED_PARAMETER


class InvalidApiKeyError(RequestError):
    """There is no API key, or no such one."""

    code = ErrorCode.INVALID_API_KEY


class UnavailableError(GatewayError):
    """Surely not stored; may be sent again."""


class BusUnavailableError(UnavailableError):
    """There is no connection to the bus."""

    code = ErrorCode.BUS_UNAVAILABLE


class NoFilterError(UnavailableError):
    """No filter was there, at any attempt."""

    code = ErrorCode.NO_FILTER


class TooManyWaitingError(UnavailableError):
    """The gateway has as many requests in flight as it may."""

    code = ErrorCode.QUEUE_FULL


class ClientLimitError(UnavailableError):
    """The client has reached a limit of its own."""

    code = ErrorCode.CLIENT_QUEUE_FULL


class ModelNotFoundError(UnavailableError):
    """No living worker serves the model."""

    code = ErrorCode.MODEL_NOT_FOUND


class ShuttingDownError(UnavailableError):
    """The gateway accepts no more requests."""

    code = ErrorCode.SHUTTING_DOWN


class UnknownOutcomeError(GatewayError):
    """The request may be stored; under the same key it can be asked for again."""


class AcceptTimeoutError(UnknownOutcomeError):
    """No filter has replied in time."""

    code = ErrorCode.ACCEPT_TIMEOUT


class AnswerTimeoutError(UnknownOutcomeError):
    """The request was accepted, and its answer did not come in time."""

    code = ErrorCode.ANSWER_TIMEOUT


class InternalError(UnknownOutcomeError):
    """A fault of Stile's own."""

    code = ErrorCode.INTERNAL


class RelayedError(GatewayError):
    """An error of the filter or the worker, as it came."""

    def __init__(self, body: ErrorReply) -> None:
        super().__init__(body.error.message, param=body.error.param, retry_after=body.error.retry_after)
        self.code = body.error.code
        self.chat_id = body.error.id
        self._body = body

    @property
    def is_result(self) -> bool:
        """Whether it is the stored result of a request; a status request may fail by itself."""
        return self._body.error.final and self.code is not ErrorCode.NOT_FOUND

    def reply(self) -> ErrorReply:
        """Return the body as it came, with the request's id if it had none."""
        error = self._body.error
        if (error.id, error.param) == (self.chat_id, self.param):
            return self._body
        return ErrorReply(error=error.model_copy(update={"id": self.chat_id, "param": self.param}))


def from_http(status: int, addresses: Sequence[str] = ()) -> GatewayError:
    """Translate an error that Starlette raises by itself, such as an unknown route or method.

    Args:
        status: the HTTP status.
        addresses: what there is.
    """
    match status:
        case 404:
            known = f" There are {', '.join(addresses)}; GET /docs describes them." if addresses else ""
            return NotFoundError(f"There is nothing at this address.{known}")
        case 405:
            return MethodNotAllowedError("This address takes other methods; see the Allow header.")
        case 413:
            return TooLargeError("The body is too large.")
        case 415:
            return UnsupportedMediaTypeError("Send the body as application/json.")
        case _ if 400 <= status < 500:
            return InvalidHeaderError("The request could not be read.")
    return InternalError("Something went wrong in the gateway.")


def status_of(error: GatewayError) -> int:
    """Return the HTTP status of ``error``."""
    return ERRORS[error.code].status
