"""What every route that asks the model reads of its HTTP request."""

import re
from collections.abc import Mapping

from fastapi import Request

from stile_contracts import subjects
from stile_contracts.ids import keyed_id, new_id
from stile_contracts.messages import Wanted
from stile_contracts.subjects import Lane
from stile_gateway.errors import InvalidHeaderError, UnsupportedMediaTypeError
from stile_gateway.question import Question

PULSE_SECONDS = 10.0
"""Between two signs of life on a stream where nothing happens; proxies close silent ones after a minute."""
IDEMPOTENCY_KEY = "Idempotency-Key"
LANE = "Stile-Lane"
TIMEOUT = "Stile-Timeout"
KEY = re.compile(r"[!-~]{1,255}")
DURATION = re.compile(r"0*[1-9][0-9]{0,8}(?:ms|s|m)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_JSON = re.compile(r"application/(?:[a-z0-9.!#$&^_-]+\+)?json\s*(?:;.*)?", re.IGNORECASE)


def check_media_type(headers: Mapping[str, str]) -> None:
    """Hold the body to what it must say of itself.

    Raises:
        UnsupportedMediaTypeError: it is not JSON, or compressed.
    """
    if headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedMediaTypeError("Send the body without Content-Encoding.", param="Content-Encoding")
    if not _JSON.fullmatch(headers.get("content-type", "")):
        raise UnsupportedMediaTypeError("Send the body as application/json.", param="Content-Type")


def client_of(request: Request) -> str:
    """Name who asks, as the bus knows it."""
    return subjects.http_client(request.client.host if request.client else "unknown")


def question_of(request: Request, body: bytes, wanted: Wanted) -> Question:
    """Make the question that ``body`` asks the bus.

    Raises:
        InvalidHeaderError: the key is none, or the lane, or the timeout.
    """
    client = client_of(request)
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is not None and not KEY.fullmatch(key):
        raise InvalidHeaderError(
            "A key has 1 to 255 visible ASCII characters.",
            param=IDEMPOTENCY_KEY,
        )
    lane = request.headers.get(LANE, Lane.INTERACTIVE)
    if lane not in Lane.__members__.values():
        raise InvalidHeaderError(f"The lanes are {' and '.join(Lane)}.", param=LANE)
    traceparent = request.headers.get("traceparent")
    return Question(
        id=new_id() if key is None else keyed_id(client, key),
        client=client,
        body=body,
        wanted=wanted,
        lane=Lane(lane),
        key=key,
        timeout=_timeout_of(request),
        traceparent=traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else None,
    )


def _timeout_of(request: Request) -> float | None:
    """Read ``Stile-Timeout``: ``500ms``, ``30s``, ``2m``; in seconds."""
    text = request.headers.get(TIMEOUT)
    if text is None:
        return None
    if not DURATION.fullmatch(text):
        raise InvalidHeaderError("A timeout is a whole number above 0 with ms, s or m: 30s.", param=TIMEOUT)
    number = text.rstrip("ms")
    return int(number) * _SECONDS[text[len(number) :]]
