"""The closed set of errors that a client can receive, on the bus and over HTTP.

::

    ErrorCode
     ├ the request is wrong: final; the same request fails again
     │   invalid_request 422 · invalid_header 400 · too_large 413 · unsupported_media_type 415
     │   not_found 404 · method_not_allowed 405 · key_conflict 422 · context_length_exceeded 422
     │   unsupported_parameter 400 · invalid_api_key 401
     ├ transient: not stored, or withdrawn; the request may be sent again
     │   queue_full 503 · client_queue_full 429 · no_filter 503 · bus_unavailable 503
     │   filter_error 503 · filter_timeout 503 · shutting_down 503
     │   model_not_found 404 (a worker that serves it may come)
     ├ unknown: the request may wait or run; it may be sent again under the same id or key
     │   in_progress 409 · accept_timeout 504 · answer_timeout 504 · internal 500
     └ the request's result: final, stored in CHAT_RESULT
         deadline_exceeded 504 · model_failed 502 · model_unavailable 502 · too_many_attempts 500
         malformed_message 500 · cancelled 499 (nginx's "client closed request")
         answer_unchecked 503 (no filter checked the answer in time)
"""

from enum import StrEnum
from typing import NamedTuple


class ErrorCode(StrEnum):
    """What went wrong. The names are stable, so programs may depend on them."""

    INVALID_REQUEST = "invalid_request"
    INVALID_HEADER = "invalid_header"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    KEY_CONFLICT = "key_conflict"
    CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
    UNSUPPORTED_PARAMETER = "unsupported_parameter"
    INVALID_API_KEY = "invalid_api_key"

    QUEUE_FULL = "queue_full"
    CLIENT_QUEUE_FULL = "client_queue_full"
    NO_FILTER = "no_filter"
    BUS_UNAVAILABLE = "bus_unavailable"
    FILTER_ERROR = "filter_error"
    FILTER_TIMEOUT = "filter_timeout"
    SHUTTING_DOWN = "shutting_down"
    MODEL_NOT_FOUND = "model_not_found"

    IN_PROGRESS = "in_progress"
    ACCEPT_TIMEOUT = "accept_timeout"
    ANSWER_TIMEOUT = "answer_timeout"

    DEADLINE_EXCEEDED = "deadline_exceeded"
    MODEL_FAILED = "model_failed"
    MODEL_UNAVAILABLE = "model_unavailable"
    ANSWER_UNCHECKED = "answer_unchecked"
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    MALFORMED_MESSAGE = "malformed_message"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


class ErrorKind(NamedTuple):
    """What an error means to the client that receives it."""

    status: int
    """The HTTP status, and ADR-32's ``Nats-Service-Error-Code``."""
    final: bool
    """Whether the same request would fail again."""


ERRORS: dict[ErrorCode, ErrorKind] = {
    ErrorCode.INVALID_REQUEST: ErrorKind(422, final=True),
    ErrorCode.INVALID_HEADER: ErrorKind(400, final=True),
    ErrorCode.TOO_LARGE: ErrorKind(413, final=True),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: ErrorKind(415, final=True),
    ErrorCode.NOT_FOUND: ErrorKind(404, final=True),
    ErrorCode.METHOD_NOT_ALLOWED: ErrorKind(405, final=True),
    ErrorCode.KEY_CONFLICT: ErrorKind(422, final=True),
    ErrorCode.CONTEXT_LENGTH_EXCEEDED: ErrorKind(422, final=True),
    ErrorCode.UNSUPPORTED_PARAMETER: ErrorKind(400, final=True),
    ErrorCode.INVALID_API_KEY: ErrorKind(401, final=True),
    ErrorCode.QUEUE_FULL: ErrorKind(503, final=False),
    ErrorCode.CLIENT_QUEUE_FULL: ErrorKind(429, final=False),
    ErrorCode.NO_FILTER: ErrorKind(503, final=False),
    ErrorCode.BUS_UNAVAILABLE: ErrorKind(503, final=False),
    ErrorCode.FILTER_ERROR: ErrorKind(503, final=False),
    ErrorCode.FILTER_TIMEOUT: ErrorKind(503, final=False),
    ErrorCode.SHUTTING_DOWN: ErrorKind(503, final=False),
    ErrorCode.MODEL_NOT_FOUND: ErrorKind(404, final=False),
    ErrorCode.IN_PROGRESS: ErrorKind(409, final=False),
    ErrorCode.ACCEPT_TIMEOUT: ErrorKind(504, final=False),
    ErrorCode.ANSWER_TIMEOUT: ErrorKind(504, final=False),
    ErrorCode.DEADLINE_EXCEEDED: ErrorKind(504, final=True),
    ErrorCode.MODEL_FAILED: ErrorKind(502, final=True),
    ErrorCode.MODEL_UNAVAILABLE: ErrorKind(502, final=True),
    ErrorCode.ANSWER_UNCHECKED: ErrorKind(503, final=True),
    ErrorCode.TOO_MANY_ATTEMPTS: ErrorKind(500, final=True),
    ErrorCode.MALFORMED_MESSAGE: ErrorKind(500, final=True),
    ErrorCode.CANCELLED: ErrorKind(499, final=True),
    ErrorCode.INTERNAL: ErrorKind(500, final=False),
}
"""The meaning of every code. The worker has the same table; ``fixtures/v1/errors.json`` compares
them."""
