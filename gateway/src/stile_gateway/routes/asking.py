"""What every route that asks the model reads of its HTTP request."""

import re
from collections.abc import Mapping
from dataclasses import replace

from fastapi import Request

from stile_contracts.ids import keyed_id, new_id
from stile_contracts.messages import EventLevel
from stile_gateway.admission import caller_of
from stile_gateway.callers import LANE, Caller, Callers
from stile_gateway.chat import Chat
from stile_gateway.errors import InvalidHeaderError, UnsupportedMediaTypeError
from stile_gateway.question import Question

PULSE_SECONDS = 10.0
"""Between two signs of life on a stream where nothing happens; proxies close silent ones after a minute."""
IDEMPOTENCY_KEY = "Idempotency-Key"
TIMEOUT = "Stile-Timeout"
PREFER = "Prefer"
PREFERENCE_APPLIED = "Preference-Applied"
RESPOND_ASYNC = "respond-async"
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


def is_stream_wanted(request: Request) -> bool:
    """Tell whether the client takes events for an answer."""
    return "text/event-stream" in request.headers.get("accept", "")


def prefers_later(request: Request) -> bool:
    """Tell whether the client would rather come back for its answer (RFC 7240, section 4.1)."""
    preferences = ",".join(request.headers.getlist(PREFER)).split(",")
    return any(one.partition(";")[0].strip().lower() == RESPOND_ASYNC for one in preferences)


class Asker:
    """Makes the questions of HTTP requests, of those who may ask.

    Args:
        chat: who knows what is held.
        callers: who may ask, and how much.
    """

    def __init__(self, chat: Chat, callers: Callers) -> None:
        self._chat = chat
        self._callers = callers

    def caller(self, request: Request) -> Caller:
        """Tell who asks, before the body is read.

        A request costs its key one of the minute's whatever its body is; one that joins another costs none.

        Raises:
            InvalidApiKeyError: a key is asked for, and none is there that is known.
            ClientLimitError: it is one too many for the key's minute.
            UnsupportedMediaTypeError: the body is not JSON, or compressed.
        """
        caller = caller_of(request.scope)
        key = request.headers.get(IDEMPOTENCY_KEY)
        if key is None or not self._chat.is_held(keyed_id(caller.client, key)):
            self._callers.spend(caller)
        check_media_type(request.headers)
        return caller

    def question(
        self, request: Request, caller: Caller, body: bytes, wanted: EventLevel, *, answer_later: bool = False
    ) -> Question:
        """Make the question that ``body`` asks the bus.

        Raises:
            InvalidHeaderError: the key is none, or the lane, or the timeout.
            ClientLimitError: more are held than the caller's key may have.
        """
        key = request.headers.get(IDEMPOTENCY_KEY)
        if key is not None and not KEY.fullmatch(key):
            raise InvalidHeaderError("A key has 1 to 255 visible ASCII characters.", param=IDEMPOTENCY_KEY)
        traceparent = request.headers.get("traceparent")
        question = Question(
            id=new_id() if key is None else keyed_id(caller.client, key),
            client=caller.client,
            body=body,
            wanted=wanted,
            lane=caller.lane(request.headers.get(LANE)),
            key=key,
            timeout=_timeout_of(request),
            traceparent=traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else None,
            answer_later=answer_later,
        )
        if question.lasting:
            # A stream may join it at any time.
            question = replace(question, wanted=EventLevel.TOKEN)
        if not self._chat.is_held(question.id):
            self._callers.admit(caller, self._chat.held(caller.client))
        return question


def _timeout_of(request: Request) -> float | None:
    """Read ``Stile-Timeout``: ``500ms``, ``30s``, ``2m``; in seconds."""
    text = request.headers.get(TIMEOUT)
    if text is None:
        return None
    if not DURATION.fullmatch(text):
        raise InvalidHeaderError("A timeout is a whole number above 0 with ms, s or m: 30s.", param=TIMEOUT)
    number = text.rstrip("ms")
    return int(number) * _SECONDS[text[len(number) :]]
