"""The names on the bus.

A subject is a list of tokens, joined by dots. A token is 1 to 64 characters of ``[A-Za-z0-9_-]``;
the token of a model is made by ``models.token``.
"""

import re
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import NamedTuple
from uuid import UUID

from stile_contracts import models

GATEWAY = "gateway"
"""The origin token of requests that came over HTTP."""

HTTP_CLIENT_PREFIX = "http-"
"""The beginning of every HTTP client's name, so that none can be confused with a NATS account."""

REQUESTS = "chat.request.*"
GATEWAY_REQUESTS = "chat.request.gateway"
FILTER_QUEUE = "filter"
"""The filters' queue group for messages from the gateway and from nats-server."""
DIRECT_QUEUE = "filter-direct"
"""The filters' queue group for direct clients. It receives the gateway's messages too, and drops
those."""
APPROVED = "chat.approved.*.*.*"
APPROVED_FOR_MODEL = "chat.approved.*.*.*.*"
ALL_CHAT = "chat.>"
"""Everything that CHAT holds: approved requests, and ``HOLD``."""
RESULTS = "chat.result.*.*"
FILTER_HEARTBEAT = "chat.event.filter"
CONSUMER_HEARTBEAT = "chat.event.consumer"
CANCELS = "chat.cancel.*.*"
GATEWAY_CANCELS = "chat.cancel.gateway.*"
GATEWAY_STATUS_REQUESTS = "chat.outcome.gateway.*"
STATUS_REQUESTS = "chat.outcome.*.*"
"""Without a body, with a reply: the status of a request."""
ANSWER_CHECKS = "chat.answer"
"""From a worker: an ``AnswerCheck``. One filter of the group ``filter`` replies."""
WAKE = "chat.event.approved"
"""A request was approved; the body is its subject in CHAT. If it names no request, workers list CHAT."""
CANCELLED = "chat.event.cancelled.*.*"
ABANDONED = "chat.event.unheard.*.*"
ATTENDED = "chat.event.heard.*.*"
FOLLOW = "chat.follow.*.*"
"""Without a body, from a gateway: the worker that runs the request sends its events to ``Chat-Reply-To``
as well."""

STARTED = "chat.event.started.*.*.*"
FINISHED = "chat.event.finished.*.*.*"
"""Without a body, from a worker: the request has its result, and the worker is free."""

DEAD = "chat.dead.*.*.*"
CONVERSATIONS = "chat.conversation.*.*"
LOG = "chat.log.*.*"
"""A ``LogRecord`` of each request that has ended."""
HOLD = "chat.hold"
"""While CHAT holds a message of this subject, the queue is on hold: no worker starts a request."""
CONSOLE = "chat.console.*"
"""All that the console asks."""
CONSOLE_VERDICT = "chat.console.verdict"
"""From the console: a ``VerdictRequest``. One filter of the group ``filter`` replies, here and below."""
CONSOLE_QUEUE = "chat.console.queue"
"""From the console, without a body: who is answered and who waits."""
CONSOLE_CANCEL = "chat.console.cancel"
"""From the console: a ``CancelRequest``."""
CONSOLE_HOLD = "chat.console.hold"
"""From the console, without a body: start nothing more."""
CONSOLE_RESUME = "chat.console.resume"
"""From the console, without a body: go on."""
RECALL = "chat.recall"
"""From a gateway: reads a message of CHAT_CONVERSATION. nats-server maps it to JetStream's own subject."""
WRITTEN = "chat.written.*.*"
"""Without a body, from a filter: a client has received an answer with this keyed hash."""
MAX_DELIVERIES = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.CHAT.*"
"""From nats-server itself: a request reached its last delivery and was never acknowledged."""

CHAT_STREAM = "CHAT"
RESULT_STREAM = "CHAT_RESULT"
DEAD_STREAM = "CHAT_DLQ"
CONVERSATION_STREAM = "CHAT_CONVERSATION"
LOG_STREAM = "CHAT_LOG"
WRITTEN_STREAM = "CHAT_WRITTEN"

ANSWER_INBOX = "_INBOX_answer"
"""The inboxes in which workers receive verdicts. They have a prefix of their own, so that a filter
cannot answer in JetStream's place."""
CONSOLE_INBOX = "_INBOX_console"
"""The inboxes of the console and of the command line."""
GATEWAY_INBOX = "_INBOX_gateway"
REPLY_PREFIXES = (f"{GATEWAY_INBOX}.", "_R_.")
"""The only places for replies: the gateway's inbox, and the subjects that nats-server makes for
direct clients."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_REPLY_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_MAX_REPLY_LENGTH = 256


class Lane(StrEnum):
    """The lane in which a request waits."""

    INTERACTIVE = "interactive"
    BATCH = "batch"


class RequestAddress(NamedTuple):
    """The parts of a request's subject that identify it. The model is not one of them."""

    lane: Lane
    client: str
    id: UUID


def is_token(text: str) -> bool:
    """Return whether ``text`` can be one token of a subject."""
    return _TOKEN.fullmatch(text) is not None


def is_reply_allowed(subject: str) -> bool:
    """Return whether an answer may be sent to ``subject``.

    Only well-formed subjects without wildcards under ``REPLY_PREFIXES`` are allowed. A reply to any
    other subject could become a request or an approval.
    """
    return (
        len(subject) <= _MAX_REPLY_LENGTH
        and subject.startswith(REPLY_PREFIXES)
        and all(_REPLY_TOKEN.fullmatch(token) for token in subject.split("."))
    )


def is_answer_inbox(subject: str) -> bool:
    """Return whether a verdict about an answer may be sent to ``subject``."""
    return _is_inbox(subject, ANSWER_INBOX)


def is_console_inbox(subject: str) -> bool:
    """Return whether a reply to the console may be sent to ``subject``."""
    return _is_inbox(subject, CONSOLE_INBOX)


def _is_inbox(subject: str, prefix: str) -> bool:
    return (
        len(subject) <= _MAX_REPLY_LENGTH
        and subject.startswith(f"{prefix}.")
        and all(_REPLY_TOKEN.fullmatch(token) for token in subject.split("."))
    )


def request(origin: str) -> str:
    """Return the subject to which ``origin`` (``gateway`` or an account) sends its requests."""
    return f"chat.request.{_token(origin)}"


def origin_of(subject: str) -> str:
    """Return the sender of a request. nats-server guarantees it (``account_token_position``).

    Raises:
        ValueError: the subject is not that of a request.
    """
    match subject.split("."):
        case ["chat", "request", origin] if is_token(origin):
            return origin
    raise ValueError(f"not a request's subject: {subject!r}")


def approved(lane: Lane, client: str, chat_id: UUID, model: str | None = None) -> str:
    """Return the subject of an approved request in CHAT.

    Args:
        lane: the lane in which it waits.
        client: the client that sent it.
        chat_id: its id.
        model: the token (``models.token``) of the model that must answer; None if any model may.
    """
    subject = f"chat.approved.{lane}.{_token(client)}.{chat_id}"
    return subject if model is None else f"{subject}.{_model(model)}"


def parse_approved(subject: str) -> RequestAddress:
    """Parse the subject of an approved request, without the model's token.

    Raises:
        ValueError: the subject is not that of an approved request.
    """
    match subject.split("."):
        case ["chat", "approved", lane, client, chat_id] if is_token(client):
            return RequestAddress(Lane(lane), client, UUID(chat_id))
        case ["chat", "approved", _, _, _, model] if models.is_token(model):
            return parse_approved(subject.rpartition(".")[0])
    raise ValueError(f"not an approved request's subject: {subject!r}")


def approved_subjects_of(client: str, chat_id: UUID) -> tuple[str, str]:
    """Return the two subjects in CHAT, with wildcards, of a request of any lane and model."""
    subject = f"chat.approved.*.{_token(client)}.{chat_id}"
    return subject, f"{subject}.*"


def result(client: str, chat_id: UUID) -> str:
    """Return the subject of a request's result in CHAT_RESULT."""
    return f"chat.result.{_token(client)}.{chat_id}"


def results_of(client: str) -> str:
    """Return the subject, with a wildcard, of all results of a client."""
    return f"chat.result.{_token(client)}.*"


def conversation(client: str, chat_id: UUID) -> str:
    """Return the subject of a stored response's conversation in CHAT_CONVERSATION."""
    return f"chat.conversation.{_token(client)}.{chat_id}"


def written(client: str, tag: str) -> str:
    """Make the subject that says that a client has received an answer with this keyed hash."""
    return f"chat.written.{_token(client)}.{_token(tag)}"


def dead(lane: Lane, client: str, chat_id: UUID) -> str:
    """Return the subject of a dead letter in CHAT_DLQ."""
    return f"chat.dead.{lane}.{_token(client)}.{chat_id}"


def parse_dead(subject: str) -> RequestAddress:
    """Parse the subject of a dead letter.

    Raises:
        ValueError: the subject is not that of a dead letter.
    """
    match subject.split("."):
        case ["chat", "dead", lane, client, chat_id] if is_token(client):
            return RequestAddress(Lane(lane), client, UUID(chat_id))
    raise ValueError(f"not a dead letter's subject: {subject!r}")


def log(client: str, chat_id: UUID) -> str:
    """Return the subject of a request's record in CHAT_LOG."""
    return f"chat.log.{_token(client)}.{chat_id}"


def log_of(client: str) -> str:
    """Return the subject, with a wildcard, of all records of a client."""
    return f"chat.log.{_token(client)}.*"


def cancel(origin: str, chat_id: UUID) -> str:
    """Return the subject at which ``origin`` (``gateway`` or an account) cancels a request."""
    return f"chat.cancel.{_token(origin)}.{chat_id}"


def parse_cancel(subject: str) -> tuple[str, UUID]:
    """Return the sender of a cancellation, which nats-server guarantees, and the request's id.

    Raises:
        ValueError: the subject is not that of a cancellation.
    """
    match subject.split("."):
        case ["chat", "cancel", origin, chat_id] if is_token(origin):
            return origin, UUID(chat_id)
    raise ValueError(f"not a cancellation's subject: {subject!r}")


def status(origin: str, chat_id: UUID) -> str:
    """Return the subject at which ``origin`` (``gateway`` or an account) asks for a status."""
    return f"chat.outcome.{_token(origin)}.{chat_id}"


def parse_status(subject: str) -> tuple[str, UUID]:
    """Return the sender of a status request, which nats-server guarantees, and the request's id.

    Raises:
        ValueError: the subject is not that of a status request.
    """
    match subject.split("."):
        case ["chat", "outcome", origin, chat_id] if is_token(origin):
            return origin, UUID(chat_id)
    raise ValueError(f"not a status request's subject: {subject!r}")


def cancelled(client: str, chat_id: UUID) -> str:
    """Return the subject of the event that a request was cancelled; a worker that runs it stops."""
    return f"chat.event.cancelled.{_token(client)}.{chat_id}"


def abandoned(client: str, chat_id: UUID) -> str:
    """Return the subject of the event that no client at a gateway waits for a request any more."""
    return f"chat.event.unheard.{_token(client)}.{chat_id}"


def attended(client: str, chat_id: UUID) -> str:
    """Return the subject of the event that a client waits at the gateway that sends it."""
    return f"chat.event.heard.{_token(client)}.{chat_id}"


def follow(client: str, chat_id: UUID) -> str:
    """Return the subject on which the worker that runs a request learns who else wants its events."""
    return f"chat.follow.{_token(client)}.{chat_id}"


def parse_cancelled(subject: str) -> tuple[str, UUID]:
    """Return the client and the id of a cancelled request.

    Raises:
        ValueError: the subject is not that of this event.
    """
    match subject.split("."):
        case ["chat", "event", "cancelled", client, chat_id] if is_token(client):
            return client, UUID(chat_id)
    raise ValueError(f"not a cancellation's event: {subject!r}")


def finished(lane: Lane, client: str, chat_id: UUID) -> str:
    """Return the subject of the event that a request has ended."""
    return f"chat.event.finished.{lane}.{_token(client)}.{chat_id}"


def parse_progress(subject: str) -> RequestAddress:
    """Parse the subject of ``started`` or ``finished``.

    Raises:
        ValueError: the subject is neither of the two.
    """
    match subject.split("."):
        case ["chat", "event", "started" | "finished", lane, client, chat_id] if is_token(client):
            return RequestAddress(Lane(lane), client, UUID(chat_id))
    raise ValueError(f"not a request's event: {subject!r}")


def durable(subject: str) -> str:
    """Return the name of the durable consumer of CHAT from which workers pull this request.

    There is one for each client queue (a client's requests of one lane), and one more for each
    model that these requests name. No client's name contains its ``=``.

    Raises:
        ValueError: the subject is not that of an approved request.
    """
    lane, client, _ = parse_approved(subject)
    _, _, _, _, _, *model = subject.split(".")
    return "=".join([f"{lane}-{client}", *model])


@lru_cache(maxsize=64)
def http_client(peer: str) -> str:
    """Return an HTTP client's name, made from its address or the name of its key: one token.

    An IPv6 address counts as its /64, because a machine chooses the other half itself (RFC 4291,
    section 2.5.1). An IPv4-mapped address (RFC 4291, section 2.5.5.2) counts as its IPv4 address.
    """
    name = re.sub(r"[^A-Za-z0-9_-]", "-", str(_network(peer)))
    return HTTP_CLIENT_PREFIX + name[: 64 - len(HTTP_CLIENT_PREFIX)]


def _network(peer: str) -> str | IPv4Address | IPv6Network:
    try:
        address = ip_address(peer)
    except ValueError:
        return peer  # the name of a key, or a proxy's text in place of an address
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
