"""The names on the bus.

A token is ``[A-Za-z0-9_-]``, 1 to 64 characters; a subject's tokens are joined by dots. A model's is made by
``models.token``.
"""

import re
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import NamedTuple
from uuid import UUID

from stile_contracts import models

GATEWAY = "gateway"
"""The origin token of requests that came over HTTP."""

HTTP_CLIENT_PREFIX = "http-"
"""What every HTTP client's name begins with, so that none can be taken for a NATS account."""

REQUESTS = "chat.request.*"
GATEWAY_REQUESTS = "chat.request.gateway"
FILTER_QUEUE = "filter"
"""The filters' queue group for what the gateway and nats-server send."""
DIRECT_QUEUE = "filter-direct"
"""The filters' queue group for what direct clients send. It hears the gateway too, and leaves that out."""
APPROVED = "chat.approved.*.*.*"
APPROVED_FOR_MODEL = "chat.approved.*.*.*.*"
ALL_APPROVED = "chat.approved.>"
"""Both of them."""
RESULTS = "chat.result.*.*"
FILTER_HEARTBEAT = "chat.event.filter"
CONSUMER_HEARTBEAT = "chat.event.consumer"
CANCELS = "chat.cancel.*.*"
GATEWAY_CANCELS = "chat.cancel.gateway.*"
GATEWAY_STATUS_REQUESTS = "chat.outcome.gateway.*"
STATUS_REQUESTS = "chat.outcome.*.*"
"""Bodiless, and answered: what has become of a request."""
WAKE = "chat.event.approved"
"""Bodiless: a request was approved, and a sleeping worker may look."""
CANCELLED = "chat.event.cancelled.*.*"
ABANDONED = "chat.event.unheard.*.*"
ATTENDED = "chat.event.heard.*.*"
STARTED = "chat.event.started.*.*.*"
FINISHED = "chat.event.finished.*.*.*"
"""Bodiless, from a worker: the request has its outcome, and the worker is free."""

DEAD = "chat.dead.*.*.*"
MAX_DELIVERIES = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.CHAT.*"
"""From nats-server itself: a request was delivered as often as may be, and never acknowledged."""

CHAT_STREAM = "CHAT"
RESULT_STREAM = "CHAT_RESULT"
DEAD_STREAM = "CHAT_DLQ"

GATEWAY_INBOX = "_INBOX_gateway"
REPLY_PREFIXES = (f"{GATEWAY_INBOX}.", "_R_.")
"""Where a reply may go: the gateway's inbox, or what the server made of a direct client's (decision 5)."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_REPLY_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_MAX_REPLY_LENGTH = 256


class Lane(StrEnum):
    """Which of the two queues a request waits in."""

    INTERACTIVE = "interactive"
    BATCH = "batch"


class RequestAddress(NamedTuple):
    """Which approved request: the parts of its subject that name it, whatever model it is for."""

    lane: Lane
    client: str
    id: UUID


def is_token(text: str) -> bool:
    """Tell whether ``text`` can stand as one token of a subject."""
    return _TOKEN.fullmatch(text) is not None


def is_reply_allowed(subject: str) -> bool:
    """Tell whether an answer may be sent to ``subject``.

    Only well-formed, wildcard-free subjects under ``REPLY_PREFIXES`` are: anything else could turn a
    reply into a request, or into an approved one (DESIGN, decisions 5 and 6).
    """
    return (
        len(subject) <= _MAX_REPLY_LENGTH
        and subject.startswith(REPLY_PREFIXES)
        and all(_REPLY_TOKEN.fullmatch(token) for token in subject.split("."))
    )


def request(origin: str) -> str:
    """Name the subject that ``origin`` (``gateway`` or an account) sends its requests to."""
    return f"chat.request.{_token(origin)}"


def origin_of(subject: str) -> str:
    """Read who sent a request off its subject; the server guarantees it (``account_token_position``).

    Raises:
        ValueError: the subject is none of a request.
    """
    match subject.split("."):
        case ["chat", "request", origin] if is_token(origin):
            return origin
    raise ValueError(f"not a request's subject: {subject!r}")


def approved(lane: Lane, client: str, chat_id: UUID, model: str | None = None) -> str:
    """Name the subject of an approved request in CHAT.

    Args:
        lane: which it waits in.
        client: whose it is.
        chat_id: its id.
        model: the token (``models.token``) of the one that may answer it; None where any may.
    """
    subject = f"chat.approved.{lane}.{_token(client)}.{chat_id}"
    return subject if model is None else f"{subject}.{_model(model)}"


def parse_approved(subject: str) -> RequestAddress:
    """Take an approved request's subject apart; the model's token is left out.

    Raises:
        ValueError: the subject is none of an approved request.
    """
    match subject.split("."):
        case ["chat", "approved", lane, client, chat_id] if is_token(client):
            return RequestAddress(Lane(lane), client, UUID(chat_id))
        case ["chat", "approved", _, _, _, model] if models.is_token(model):
            return parse_approved(subject.rpartition(".")[0])
    raise ValueError(f"not an approved request's subject: {subject!r}")


def approved_subjects_of(client: str, chat_id: UUID) -> tuple[str, str]:
    """Name, with wildcards, the subjects that a request may have in CHAT: of any lane and model."""
    subject = f"chat.approved.*.{_token(client)}.{chat_id}"
    return subject, f"{subject}.*"


def result(client: str, chat_id: UUID) -> str:
    """Name the subject that keeps a request's outcome in CHAT_RESULT."""
    return f"chat.result.{_token(client)}.{chat_id}"


def results_of(client: str) -> str:
    """Name, with a wildcard, the subjects of all of a client's outcomes."""
    return f"chat.result.{_token(client)}.*"


def dead(lane: Lane, client: str, chat_id: UUID) -> str:
    """Name the subject that keeps a request that was given up in CHAT_DLQ."""
    return f"chat.dead.{lane}.{_token(client)}.{chat_id}"


def parse_dead(subject: str) -> RequestAddress:
    """Take a dead letter's subject apart.

    Raises:
        ValueError: the subject is none of a dead letter.
    """
    match subject.split("."):
        case ["chat", "dead", lane, client, chat_id] if is_token(client):
            return RequestAddress(Lane(lane), client, UUID(chat_id))
    raise ValueError(f"not a dead letter's subject: {subject!r}")


def cancel(origin: str, chat_id: UUID) -> str:
    """Name the subject that ``origin`` (``gateway`` or an account) cancels its request at."""
    return f"chat.cancel.{_token(origin)}.{chat_id}"


def parse_cancel(subject: str) -> tuple[str, UUID]:
    """Read who cancels which request off the subject; the server guarantees the origin.

    Raises:
        ValueError: the subject is none of a cancellation.
    """
    match subject.split("."):
        case ["chat", "cancel", origin, chat_id] if is_token(origin):
            return origin, UUID(chat_id)
    raise ValueError(f"not a cancellation's subject: {subject!r}")


def status(origin: str, chat_id: UUID) -> str:
    """Name the subject that ``origin`` (``gateway`` or an account) looks its request up at."""
    return f"chat.outcome.{_token(origin)}.{chat_id}"


def parse_status(subject: str) -> tuple[str, UUID]:
    """Read who looks which request up off the subject; the server guarantees the origin.

    Raises:
        ValueError: the subject is none of a lookup.
    """
    match subject.split("."):
        case ["chat", "outcome", origin, chat_id] if is_token(origin):
            return origin, UUID(chat_id)
    raise ValueError(f"not a lookup's subject: {subject!r}")


def cancelled(client: str, chat_id: UUID) -> str:
    """Name the event that a request's outcome is *cancelled*: whoever runs it stops."""
    return f"chat.event.cancelled.{_token(client)}.{chat_id}"


def abandoned(client: str, chat_id: UUID) -> str:
    """Name the event that a gateway will cancel a request, unless somebody waits for it at another one."""
    return f"chat.event.unheard.{_token(client)}.{chat_id}"


def attended(client: str, chat_id: UUID) -> str:
    """Name the event that somebody waits for a request at the gateway that says so."""
    return f"chat.event.heard.{_token(client)}.{chat_id}"


def parse_cancelled(subject: str) -> tuple[str, UUID]:
    """Read whose which request was cancelled off the event's subject.

    Raises:
        ValueError: the subject is none of that event.
    """
    match subject.split("."):
        case ["chat", "event", "cancelled", client, chat_id] if is_token(client):
            return client, UUID(chat_id)
    raise ValueError(f"not a cancellation's event: {subject!r}")


def finished(lane: Lane, client: str, chat_id: UUID) -> str:
    """Name the event that a worker is done with a request."""
    return f"chat.event.finished.{lane}.{_token(client)}.{chat_id}"


def parse_progress(subject: str) -> RequestAddress:
    """Take the subject of ``started`` or ``finished`` apart.

    Raises:
        ValueError: the subject is neither's.
    """
    match subject.split("."):
        case ["chat", "event", "started" | "finished", lane, client, chat_id] if is_token(client):
            return RequestAddress(Lane(lane), client, UUID(chat_id))
    raise ValueError(f"not a request's event: {subject!r}")


def durable(subject: str) -> str:
    """Name the durable consumer of CHAT that workers pull the request with this subject from.

    There is one for each line, a client's requests of one lane; and one more for each model that requests
    of the line are for. Its ``=`` can stand in no client's name.

    Raises:
        ValueError: the subject is none of an approved request.
    """
    lane, client, _ = parse_approved(subject)
    _, _, _, _, _, *model = subject.split(".")
    return "=".join([f"{lane}-{client}", *model])


def http_client(peer: str) -> str:
    """Make an HTTP client's name out of its address or key name, safe as one token.

    An IPv6 address is its /64, as a machine chooses the other half by itself (RFC 4291, section 2.5.1); an
    IPv4-mapped one (RFC 4291, section 2.5.5.2) is its IPv4 address.
    """
    name = re.sub(r"[^A-Za-z0-9_-]", "-", str(_network(peer)))
    return HTTP_CLIENT_PREFIX + name[: 64 - len(HTTP_CLIENT_PREFIX)]


def _network(peer: str) -> str | IPv4Address | IPv6Network:
    try:
        address = ip_address(peer)
    except ValueError:
        return peer  # a key's name, or what a proxy says in place of an address
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Network((int(address), 64), strict=False)


def _token(text: str) -> str:
    if not is_token(text):
        raise ValueError(f"not a subject token: {text!r}")
    return text


def _model(text: str) -> str:
    if not models.is_token(text):
        raise ValueError(f"not a model's token: {text!r}")
    return text
