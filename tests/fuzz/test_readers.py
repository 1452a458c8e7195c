"""The readers of gateway and filter against whatever comes: they read it, or say so in their own errors.

``corpus/`` holds bodies that have broken readers of JSON somewhere. Longer runs by hand:

    STILE_FUZZ_EXAMPLES=100000 .venv/bin/pytest tests/fuzz
"""

import json
import os
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stile_contracts import headers, subjects
from stile_contracts.messages import ChatMessage, ChatRequest, ErrorReply
from stile_filter.admission import envelope as envelopes
from stile_filter.admission import limits as filter_limits
from stile_filter.errors import RequestError
from stile_filter.guard.policy import ClientSystem, Limits
from stile_filter.guard.texts import RequestTexts
from stile_filter.transport.message import IncomingMessage
from stile_gateway.dialects.openai.request import read_completion
from stile_gateway.dialects.stile.api import read_chat
from stile_gateway.errors import GatewayError
from stile_gateway.http.readiness import readiness
from stile_gateway.requests.events import EventSequencer, ReplyMessage
from stile_runtime.fleet import Fleet

CORPUS = sorted((Path(__file__).parent / "corpus").rglob("*.json"))
LIMITS = Limits()
EXAMPLES = settings(
    max_examples=int(os.environ.get("STILE_FUZZ_EXAMPLES", "150")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
FIELDS = [
    *ChatRequest.model_fields,
    *ChatMessage.model_fields,
    "user",
    "n",
    "stream_options",
    "logit_bias",
    "echo",
]
TURNS = st.dictionaries(st.sampled_from(list(ChatMessage.model_fields)), VALUES | st.just("user"), max_size=4)
REQUESTS = st.dictionaries(st.sampled_from(FIELDS), VALUES | st.lists(TURNS, max_size=3), max_size=8)


def mangled(request):
    """Write a request, and in some cases spoil its bytes."""
    body = json.dumps(request).encode()
    cut = st.integers(0, len(body)).map(lambda at: body[:at])
    spoilt = st.tuples(st.integers(0, len(body)), st.binary(max_size=4)).map(
        lambda change: body[: change[0]] + change[1] + body[change[0] :]
    )
    return st.just(body) | cut | spoilt


BODIES = st.binary(max_size=200) | REQUESTS.flatmap(mangled)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=80)


def read_everywhere(body):
    """Hand a body to every reader; none may raise but its own kind of error, which must be tellable."""
    for read in (read_chat, read_completion):
        try:
            read(body)
        except GatewayError as error:
            error.reply().model_dump_json()
    try:
        request = filter_limits.read_body(body)
        texts = RequestTexts(request)
        filter_limits.check_limits(request, texts, LIMITS, client_system=ClientSystem.FORBID)
    except RequestError as error:
        ErrorReply.of(error.code, error.message, param=error.param).model_dump_json()
    else:
        assert all(part in texts.joined.parts for text in texts.apart for part in text.parts)


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.stem)
def test_the_corpus_is_read_or_refused(file):
    """Each nasty body is read or refused by every reader."""
    read_everywhere(file.read_bytes())


@EXAMPLES
@given(body=BODIES)
def test_any_body_is_read_or_refused(body):
    """Made-up requests, whole, cut and spoilt, and mere bytes."""
    read_everywhere(body)


@EXAMPLES
@given(body=BODIES)
def test_what_the_gateway_reads_the_filter_reads(body):
    """A body that passes the gateway is no riddle to the filter, and both see the same conversation."""
    try:
        there = read_chat(body)
    except GatewayError:
        return
    assert filter_limits.read_body(body).conversation() == there.conversation()


NAMES = st.sampled_from([value for name, value in vars(headers).items() if name.startswith("CHAT_")])
HEADERS = st.dictionaries(NAMES | st.just(headers.TRACEPARENT) | TEXT, TEXT, max_size=10)
SUBJECTS = st.sampled_from(["chat.request.gateway", "chat.request.alice", "chat.request.http-x"]) | TEXT


@EXAMPLES
@given(subject=SUBJECTS, reply_to=TEXT, given_headers=HEADERS, model=TEXT)
@example("chat.request.gateway", "_INBOX_gateway.x", {"Chat-Deadline": "9" * 5000}, "")
@example("chat.request.gateway", "_R_.x", {"Chat-Id": str(uuid4()).upper(), "Chat-Client": "http-x"}, "*.>")
@example("chat.request.alice", "_R_.x", {"Chat-Key": "\u0661\u0662", "Chat-Deadline": "\u0661"}, "a b")
def test_any_envelope_is_read_or_refused(subject, reply_to, given_headers, model):
    """Whatever headers say, what is made of them are subjects of five tokens and numbers in bounds.

    A model's name, whatever it is, is one token more, or none.
    """
    incoming = IncomingMessage(subject, reply_to, given_headers, b"{}")
    try:
        wanted = envelopes.wanted_events(incoming)
        envelope = envelopes.read_envelope(incoming, wanted, now_ms=1_700_000_000_000)
    except RequestError as error:
        ErrorReply.of(error.code, error.message, param=error.param).model_dump_json()
        return
    assert envelope.subject.count(".") == 4
    for_model = envelope.approved_subject(model)
    assert for_model.count(".") in {4, 5}
    assert subjects.parse_approved(for_model) == subjects.parse_approved(envelope.subject)
    assert not set(for_model) & set("*> \t\r\n")
    assert 0 <= envelope.deadline_ms < 10**16


@EXAMPLES
@given(reply_to=TEXT | TEXT.map("_R_.{}".format) | TEXT.map("_INBOX_gateway.{}".format))
def test_no_reply_subject_leads_elsewhere(reply_to):
    """What is allowed lies under the two places, and names no wildcard."""
    if subjects.is_reply_allowed(reply_to):
        assert reply_to.startswith(("_R_.", "_INBOX_gateway."))
        assert not set(reply_to) & set("*> \t\r\n")


EVENTS = st.sampled_from(["accepted", "position", "started", "token", "done", "error", ""]) | TEXT
NUMBERS = st.integers(-5, 5).map(str) | TEXT


@EXAMPLES
@given(heard=st.lists(st.tuples(EVENTS, NUMBERS, NUMBERS, BODIES), max_size=8))
def test_whatever_is_said_on_an_inbox_is_heard_or_refused(heard):
    """A worker of another version, or one that was taken over, cannot break the gateway."""
    sequencer = EventSequencer()
    for event, attempt, seq, body in heard:
        said = {headers.CHAT_EVENT: event, headers.CHAT_ATTEMPT: attempt, headers.CHAT_SEQ: seq}
        try:
            sequencer.read(ReplyMessage(said, body))
        except GatewayError as error:
            error.reply().model_dump_json()


@EXAMPLES
@given(body=BODIES)
def test_any_heartbeat_is_heard(body):
    """A heartbeat that cannot be read makes nobody ready."""
    fleet = Fleet()
    fleet.receive_body(body)
    readiness(fleet, connected=True)
