"""A request's envelope: what its subject and its headers say."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from uuid import UUID

from stile_contracts import headers, ids, models, subjects
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import EventLevel, ResponseMode, Trim
from stile_contracts.subjects import Lane, RequestAddress
from stile_filter.errors import RequestError
from stile_filter.transport.message import IncomingMessage

MAX_DIRECT_MS = 40 * 60 * 1000
"""How long a direct client's answer can be of use: the export forgets the way back after 45 minutes."""

MAX_KEY_CHARS = 200

_KEY = re.compile(rf"[\x21-\x7e]{{1,{MAX_KEY_CHARS}}}")
_DEADLINE = re.compile(r"[0-9]{1,16}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True)
class Envelope:
    """What the headers and the subject say of a request."""

    id: UUID
    client: str
    from_gateway: bool
    keyed: bool
    lane: Lane
    deadline_ms: int
    """Milliseconds since the Unix epoch."""
    wanted: EventLevel
    reply_to: str
    traceparent: str | None
    body_sha256: str
    trim: Trim | None
    """None: as the policy says."""

    @property
    def address(self) -> RequestAddress:
        """Which request it is."""
        return RequestAddress(self.lane, self.client, self.id)

    @cached_property
    def subject(self) -> str:
        """Its subject in CHAT once it is approved, without a model's token."""
        return subjects.approved(self.lane, self.client, self.id)

    def approved_subject(self, model: str | None) -> str:
        """Where CHAT keeps the request once it is approved, for the model of this name or for any."""
        if model is None:
            return self.subject
        return subjects.approved(self.lane, self.client, self.id, models.token(model))


def wanted_events(incoming: IncomingMessage) -> EventLevel:
    """Read which events the requester wants.

    Raises:
        RequestError: a header holds none of the known values.
    """
    events = _choice(incoming, headers.CHAT_EVENTS, EventLevel, EventLevel.NONE)
    respond = _choice(incoming, headers.CHAT_RESPOND, ResponseMode, ResponseMode.NOW)
    return EventLevel.ACCEPTED if respond == ResponseMode.LATER else EventLevel(events)


def read_envelope(incoming: IncomingMessage, wanted: EventLevel, now_ms: int) -> Envelope:
    """Read whose request it is, its id, and its deadline.

    Args:
        incoming: the message.
        wanted: which events the requester wants.
        now_ms: the time, in milliseconds since the Unix epoch.

    Raises:
        RequestError: a header is missing or holds what it can't.
    """
    try:
        origin = subjects.origin_of(incoming.subject)
    except ValueError as error:
        raise _invalid(headers.CHAT_CLIENT, "an account's name of letters, digits, _ and -") from error
    from_gateway = origin == subjects.GATEWAY
    client = client_of(origin, incoming)
    key = _matching(incoming, headers.CHAT_KEY, _KEY, f"1 to {MAX_KEY_CHARS} visible ASCII characters")
    own_id = ids.keyed_id(client, key) if key else ids.new_id()
    traceparent = incoming.headers.get(headers.TRACEPARENT, "")
    return Envelope(
        id=_id(incoming) if from_gateway else own_id,
        client=client,
        from_gateway=from_gateway,
        keyed=key is not None,
        lane=Lane(_choice(incoming, headers.CHAT_LANE, Lane, Lane.INTERACTIVE)),
        deadline_ms=_deadline(incoming, from_gateway=from_gateway, now_ms=now_ms),
        wanted=wanted,
        reply_to=incoming.reply_to,
        # W3C Trace Context: a value that can't be read is as if it were not there.
        traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent) else None,
        body_sha256=ids.body_sha256(incoming.body),
        trim=_trim(incoming),
    )


def _trim(incoming: IncomingMessage) -> Trim | None:
    if headers.CHAT_TRIM not in incoming.headers:
        return None
    return Trim(_choice(incoming, headers.CHAT_TRIM, Trim, Trim.NONE))


def client_of(origin: str, incoming: IncomingMessage) -> str:
    """Return whose message it is: an account's, or that of the client that the gateway names.

    Raises:
        RequestError: the gateway names none, or an account is called as only the gateway's clients are.
    """
    if origin == subjects.GATEWAY:
        client = incoming.headers.get(headers.CHAT_CLIENT, "")
        if not client.startswith(subjects.HTTP_CLIENT_PREFIX) or not subjects.is_token(client):
            raise _invalid(headers.CHAT_CLIENT, f"a token that begins with {subjects.HTTP_CLIENT_PREFIX}")
        return client
    if origin.startswith(subjects.HTTP_CLIENT_PREFIX):
        raise _invalid(headers.CHAT_CLIENT, "an account's name that does not begin with http-")
    return origin


def _id(incoming: IncomingMessage) -> UUID:
    text = incoming.headers.get(headers.CHAT_ID, "")
    try:
        chat_id = UUID(text)
    except ValueError as error:
        raise _invalid(headers.CHAT_ID, "a UUID in lower case with hyphens") from error
    if str(chat_id) != text:
        raise _invalid(headers.CHAT_ID, "a UUID in lower case with hyphens")
    return chat_id


def _deadline(incoming: IncomingMessage, *, from_gateway: bool, now_ms: int) -> int:
    text = _matching(incoming, headers.CHAT_DEADLINE, _DEADLINE, "milliseconds since the Unix epoch")
    if from_gateway:
        if text is None:
            raise _invalid(headers.CHAT_DEADLINE, "milliseconds since the Unix epoch")
        return int(text)
    latest = now_ms + MAX_DIRECT_MS
    return min(int(text), latest) if text else latest


def _choice(incoming: IncomingMessage, header: str, choices: type[StrEnum], default: str) -> str:
    value = incoming.headers.get(header, default)
    try:
        return choices(value)
    except ValueError as error:
        raise _invalid(header, "one of " + ", ".join(choices)) from error


def _matching(incoming: IncomingMessage, header: str, pattern: re.Pattern[str], shape: str) -> str | None:
    value = incoming.headers.get(header)
    if value is not None and not pattern.fullmatch(value):
        raise _invalid(header, shape)
    return value


def _invalid(header: str, shape: str) -> RequestError:
    return RequestError(ErrorCode.INVALID_HEADER, f"{header} must be {shape}", param=header)
