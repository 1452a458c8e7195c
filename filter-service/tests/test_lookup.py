"""Lookups over streams in memory: every reply that ``docs/protocol.md`` lists, exactly one each."""

import json
from uuid import UUID

import pytest

from stile_contracts.errors import ErrorCode
from stile_contracts.messages import ErrorReply, Reply
from stile_filter.answers import Stored, to_json
from stile_filter.errors import UnavailableError, UnconfirmedError
from stile_filter.lookup import Lookup
from stile_filter.queue.estimate import QueuePosition
from stile_filter.request import Incoming

ID = UUID("0190a5d0-0000-7000-8000-000000000001")
PLACE = f"chat.approved.batch.alice.{ID}"
RESULT = f"chat.result.alice.{ID}"
BACK = "_R_.asker.1"
ANSWER = to_json(Reply(response="Blue.", id=ID))


class FakeStreams:
    """CHAT and CHAT_RESULT, in which a worker may answer the request at any moment."""

    def __init__(self, *, held=False, delivered=False, answered=False, model=""):
        self.chat = (
            {PLACE: Stored({"Nats-Sequence": "7", "Nats-Subject": f"{PLACE}{model}"}, b"")} if held else {}
        )
        self.results = {RESULT: Stored({"Chat-Attempt": "2", "Chat-Seq": "5"}, ANSWER)} if answered else {}
        self.delivered, self.fails, self.answered_on_a_look_at_chat = delivered, None, False

    async def waiting(self, client, chat_id):
        if self.answered_on_a_look_at_chat:
            self.results[RESULT] = Stored({}, ANSWER)
            self.chat.clear()
        return self.chat.get(f"chat.approved.batch.{client}.{chat_id}")

    async def outcome(self, subject):
        if self.fails:
            raise self.fails
        return self.results.get(subject)

    async def is_delivered(self, held):
        assert held.headers["Nats-Sequence"] == "7"
        return self.delivered


async def look_up(streams, subject=f"chat.outcome.alice.{ID}", reply_to=BACK, **named):
    """Return the one reply, and what was counted."""
    found = []
    lookup = Lookup(
        streams, lambda subject: QueuePosition(2, 8.5) if subject == PLACE else None, found.append
    )
    message_headers = {name.replace("_", "-"): value for name, value in named.items()}
    said = await lookup.handle(Incoming(subject, reply_to, message_headers, b""))
    if not said:
        return None, found
    [reply] = said
    assert reply.subject == BACK
    return reply, found


async def test_what_names_a_model_is_found_by_its_id():
    """Where it stands is told as of any other request."""
    reply, found = await look_up(FakeStreams(held=True, model=".smollm2"))
    assert (found, json.loads(reply.body)["position"]) == (["position"], 2)


async def test_an_outcome_as_it_is_stored():
    """Byte for byte, with the attempt and the count that it was stored with."""
    reply, found = await look_up(FakeStreams(answered=True, held=True))
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
    reply, found = await look_up(FakeStreams(held=True, delivered=delivered))
    assert (json.loads(reply.body), found) == (body, [event])
    assert reply.headers == {"Chat-Id": str(ID), "Chat-Event": event, "Chat-Attempt": "0"}


async def test_one_that_is_answered_while_it_is_looked_for():
    """It is in neither place when each is first looked at, and found all the same."""
    streams = FakeStreams(held=True)
    streams.answered_on_a_look_at_chat = True
    reply, found = await look_up(streams)
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
    reply, found = await look_up(FakeStreams(answered=True, held=True), subject, **named)
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
    streams = FakeStreams()
    streams.fails = failure
    reply, found = await look_up(streams)
    assert (ErrorReply.model_validate_json(reply.body).error.code, found) == (code, [code])
    assert b"secret" not in reply.body


@pytest.mark.parametrize("reply_to", ["", "chat.approved.interactive.x.y", "_INBOX_filter.x"])
async def test_an_answer_elsewhere_is_not_sent(reply_to):
    """The place to answer is the attack."""
    assert await look_up(FakeStreams(answered=True), reply_to=reply_to) == (None, [])
