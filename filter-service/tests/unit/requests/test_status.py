"""Lookups over a store in memory: every reply that ``docs/protocol.md`` lists, exactly one each."""

import json
from uuid import UUID

import pytest

from harness.filter.store import FakeStore
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import ErrorReply, Reply
from stile_filter.errors import UnavailableError, UnconfirmedError
from stile_filter.queue.estimate import QueuePosition
from stile_filter.requests.status import StatusRequests
from stile_filter.store import StoredMessage
from stile_filter.transport.message import IncomingMessage
from stile_filter.transport.reply import to_json

ID = UUID("0190a5d0-0000-7000-8000-000000000001")
PLACE = f"chat.approved.batch.alice.{ID}"
RESULT = f"chat.result.alice.{ID}"
BACK = "_R_.asker.1"
ANSWER = to_json(Reply(response="Blue.", id=ID))


def store_of(*, held=False, delivered=False, answered=False, model=""):
    """Make a store that holds the request, its result, or both."""
    store = FakeStore()
    if held:
        store.hold(f"{PLACE}{model}", seq=7)
    if delivered:
        store.deliver(f"{PLACE}{model}")
    if answered:
        store.results[RESULT] = StoredMessage({"Chat-Attempt": "2", "Chat-Seq": "5"}, ANSWER)
    return store


async def look_up(store, subject=f"chat.outcome.alice.{ID}", reply_to=BACK, **named):
    """Return the one reply, and what was counted."""
    found = []
    lookup = StatusRequests(
        store, lambda subject: QueuePosition(2, 8.5) if subject == PLACE else None, found.append
    )
    message_headers = {name.replace("_", "-"): value for name, value in named.items()}
    said = await lookup.handle(IncomingMessage(subject, reply_to, message_headers, b""))
    if not said:
        return None, found
    [reply] = said
    assert reply.subject == BACK
    return reply, found


async def test_what_names_a_model_is_found_by_its_id():
    """Where it stands is told as of any other request."""
    reply, found = await look_up(store_of(held=True, model=".smollm2"))
    assert (found, json.loads(reply.body)["position"]) == (["position"], 2)


async def test_an_outcome_as_it_is_stored():
    """Byte for byte, with the attempt and the count that it was stored with."""
    reply, found = await look_up(store_of(answered=True, held=True))
    assert (reply.body, found) == (ANSWER, ["done"])
    assert reply.headers == {
        "Chat-Id": str(ID),
        "Chat-Event": "done",
        "Chat-Attempt": "2",
        "Chat-Seq": "5",
    }


@pytest.mark.parametrize(
    ("delivered", "event", "body"),
    [
        (False, "position", {"id": str(ID), "position": 2, "estimate_seconds": 8.5}),
        (True, "started", {"id": str(ID)}),
    ],
)
async def test_what_chat_holds(delivered, event, body):
    """It waits, and where; or a worker has it. Neither has a number: they are none of the stream's events."""
    reply, found = await look_up(store_of(held=True, delivered=delivered))
    assert (json.loads(reply.body), found) == (body, [event])
    assert reply.headers == {"Chat-Id": str(ID), "Chat-Event": event, "Chat-Attempt": "0"}


async def test_one_that_is_answered_while_it_is_looked_for():
    """It is in neither place when each is first looked at, and found all the same."""
    store = store_of(held=True)

    def answer():
        store.results[RESULT] = StoredMessage({}, ANSWER)
        store.chat.clear()

    store.before["waiting"] = answer
    reply, found = await look_up(store)
    assert (reply.body, found) == (ANSWER, ["done"])


@pytest.mark.parametrize(
    ("subject", "headers", "code"),
    [
        (f"chat.outcome.bob.{ID}", {}, ErrorCode.NOT_FOUND),
        (f"chat.outcome.bob.{ID}", {"Chat-Client": "alice"}, ErrorCode.NOT_FOUND),
        (f"chat.outcome.gateway.{ID}", {"Chat-Client": "http-1"}, ErrorCode.NOT_FOUND),
        (f"chat.outcome.gateway.{ID}", {"Chat-Client": "alice"}, ErrorCode.INVALID_HEADER),
        (f"chat.outcome.gateway.{ID}", {}, ErrorCode.INVALID_HEADER),
        ("chat.outcome.alice.nonsense", {}, ErrorCode.INVALID_HEADER),
    ],
)
async def test_what_is_not_ones_own(subject, headers, code):
    """Another's request is as unknown as any, whatever name the asker gives."""
    named = {name.replace("-", "_"): value for name, value in headers.items()}
    reply, found = await look_up(store_of(answered=True, held=True), subject, **named)
    assert ErrorReply.model_validate_json(reply.body).error.code is code
    assert reply.headers["Nats-Service-Error"] == code
    assert found == [code]


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (UnavailableError("no"), ErrorCode.BUS_UNAVAILABLE),
        (UnconfirmedError(), ErrorCode.BUS_UNAVAILABLE),
        (RuntimeError("a secret"), ErrorCode.INTERNAL),
    ],
)
async def test_what_cant_be_asked_is_told(failure, code):
    """A lookup changes nothing, so it may always be answered, and asked again."""
    store = store_of()
    store.fails = failure
    reply, found = await look_up(store)
    assert (ErrorReply.model_validate_json(reply.body).error.code, found) == (code, [code])
    assert b"secret" not in reply.body


@pytest.mark.parametrize("reply_to", ["", "chat.approved.interactive.x.y", "_INBOX_filter.x"])
async def test_an_answer_elsewhere_is_not_sent(reply_to):
    """The place to answer is the attack."""
    assert await look_up(store_of(answered=True), reply_to=reply_to) == (None, [])
