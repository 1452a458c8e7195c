"""Rules for messages that their JSON Schemas do not express."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stile_contracts import ids, subjects
from stile_contracts.errors import ERRORS, ErrorCode
from stile_contracts.messages import ChatMessage, ChatRequest, ErrorReply, Role, Sampling

ASK = ChatMessage(role=Role.USER, content="Hi")


def test_the_prompt_is_the_last_message():
    """``prompt`` comes after ``messages`` as the user's message."""
    request = ChatRequest(prompt="Hi", messages=[ChatMessage(role=Role.ASSISTANT, content="Yes?")])
    assert request.conversation()[-1] == ASK
    assert len(request.conversation()) == 2


def test_a_prompt_that_the_history_ends_with_is_not_doubled():
    """Older clients send the new message twice, in ``messages`` and as ``prompt``."""
    assert ChatRequest(prompt="Hi", messages=[ASK]).conversation() == [ASK]


def test_the_same_words_from_the_assistant_are_another_message():
    """Only a user's message can be the prompt."""
    request = ChatRequest(prompt="Hi", messages=[ChatMessage(role=Role.ASSISTANT, content="Hi")])
    assert len(request.conversation()) == 2


def test_sampling_keeps_zeroes():
    """A temperature of 0 is a value; it is not absent."""
    assert ChatRequest(prompt="Hi", temperature=0).sampling() == Sampling(temperature=0)


@pytest.mark.parametrize("code", ErrorCode)
def test_an_error_reply_is_as_final_as_its_table_says(code):
    """The finality is looked up, never chosen by the caller."""
    assert ErrorReply.of(code, "x").error.final == ERRORS[code].final


def test_a_keyed_id_depends_on_client_and_key():
    """The same key of the same client is the same request; another client's is not."""
    assert ids.keyed_id("a", "k") == ids.keyed_id("a", "k")
    assert len({ids.keyed_id("a", "k"), ids.keyed_id("b", "k"), ids.keyed_id("a", "l")}) == 3


def test_new_ids_are_uuid7():
    """Ids without a key sort by the time they were made."""
    assert ids.new_id().version == 7


@given(st.text())
def test_an_http_clients_name_is_always_one_token(peer):
    """Whatever the address looks like, its name can be a part of a subject."""
    assert subjects.is_token(subjects.http_client(peer))


@pytest.mark.parametrize(
    ("peer", "name"),
    [
        ("203.0.113.7", "http-203-0-113-7"),
        ("::ffff:203.0.113.7", "http-203-0-113-7"),
        ("2001:db8:1:2::7", "http-2001-db8-1-2---64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "http-2001-db8-1-2---64"),
        ("2001:db8:1:3::7", "http-2001-db8-1-3---64"),
        ("fe80::7%eth0", "http-fe80---64"),
        ("::1", "http----64"),
        ("ada", "http-ada"),
    ],
)
def test_an_http_clients_address_is_one_machines(peer, name):
    """One machine can choose any address of its IPv6 /64, so the /64 is one client."""
    assert subjects.http_client(peer) == name


def test_an_approved_subject_is_read_as_it_was_written():
    """Lane, client and id come back."""
    chat_id = UUID("01920f3c-7a51-7c3e-8f00-0123456789ab")
    subject = subjects.approved(subjects.Lane.BATCH, "press-7", chat_id)
    assert subjects.parse_approved(subject) == (subjects.Lane.BATCH, "press-7", chat_id)
    for_model = subjects.approved(subjects.Lane.BATCH, "press-7", chat_id, "smollm2")
    assert for_model == f"{subject}.smollm2"
    assert subjects.parse_approved(for_model) == subjects.parse_approved(subject)


@pytest.mark.parametrize("client", ["press-7", "approved", "batch", "chat"])
def test_a_client_queues_requests_for_a_model_have_a_durable_of_their_own(client):
    """Its name differs from all other durables' names, whatever the client is called."""
    chat_id = UUID("01920f3c-7a51-7c3e-8f00-0123456789ab")
    names = [
        subjects.durable(subjects.approved(lane, client, chat_id, model))
        for lane in subjects.Lane
        for model in (None, "smollm2", "llama-3=2E2")
    ]
    assert names[3:] == [f"batch-{client}", f"batch-{client}=smollm2", f"batch-{client}=llama-3=2E2"]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "subject",
    [
        "chat.approved.x.c.1",
        "chat.request",
        "chat.approved.batch.c.d.e",
        "chat.approved.batch.c.01920f3c-7a51-7c3e-8f00-0123456789ab.A",
        "chat.approved.batch.c.01920f3c-7a51-7c3e-8f00-0123456789ab.a.b",
        "chat.approved.batch.c.01920f3c-7a51-7c3e-8f00-0123456789ab.",
        "",
    ],
)
def test_another_subject_is_no_approved_one(subject):
    """A wrong subject is an error, not a guess."""
    with pytest.raises(ValueError, match=r"not|badly formed"):
        subjects.parse_approved(subject)


@pytest.mark.parametrize("subject", ["_INBOX_gateway.abc.1", "_R_.x.y"])
def test_replies_go_to_the_gateway_and_to_mapped_clients(subject):
    """Both prefixes: the gateway's inbox, and the subjects that nats-server makes for direct clients."""
    assert subjects.is_reply_allowed(subject)


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "chat.approved.interactive.x.1",
        "_INBOX.abc",
        "_INBOX_gateway.",
        "_INBOX_gateway.*",
        "_INBOX_gateway.>",
        "_INBOX_gateway.a b",
        "_INBOX_gatewayx.a",
        "_R_.a..b",
        "_R_.a\r\nPUB",
        "$JS.API.INFO",
        "_R_." + "a" * 300,
    ],
)
def test_no_other_reply_subject_is_allowed(subject):
    """A reply can't be turned into a request, an approval or a command to the bus."""
    assert not subjects.is_reply_allowed(subject)


def test_an_integral_number_is_an_integer():
    """As in JSON Schema, 7.0 is an integer. 7.5 is not, and neither is a text."""
    request = ChatRequest.model_validate_json('{"prompt": "x", "seed": 7.0, "top_k": 40}')
    assert (request.seed, type(request.seed)) == (7, int)
    for wrong in ("7.5", '"7"', "true", "1e400"):
        with pytest.raises(ValidationError):
            ChatRequest.model_validate_json(f'{{"prompt": "x", "seed": {wrong}}}')
