"""Cancelling over streams in memory: every receipt that ``docs/protocol.md`` lists, and who is told what."""

from uuid import UUID

import pytest

from harness.filter.records import Records
from harness.filter.store import FakeStore
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import CancelHit, CancelReceipt, ErrorReply
from stile_filter.errors import UnavailableError, UnconfirmedError
from stile_filter.requests.cancel import Canceller
from stile_filter.store import StoredMessage
from stile_filter.transport.message import IncomingMessage
from stile_filter.transport.reply import to_json

ID = UUID("0190a5d0-0000-7000-8000-000000000001")
PLACE = f"chat.approved.batch.alice.{ID}"
RESULT = f"chat.result.alice.{ID}"
BACK = "_R_.canceller.1"
TOLD = f"chat.event.cancelled.alice.{ID}"


def waiting(*, events="state", delivered=False):
    """Make a store with one request of Alice's in CHAT."""
    store = FakeStore()
    message_headers = {"Chat-Reply-To": "_R_.requester.1", "Chat-Events": events, "Chat-Body-SHA256": "ab"}
    store.hold(PLACE, message_headers, seq=7)
    if delivered:
        store.deliver(PLACE)
    return store


class System:
    """A canceller over ``store``."""

    def __init__(self, store):
        self.store, self.hits = store, []
        self.records = Records()
        self._canceller = Canceller(store, self.hits.append, self.records.log)

    async def cancel(self, origin="alice", chat_id=ID, reply_to=BACK, **named):
        message_headers = {name.replace("_", "-"): value for name, value in named.items()}
        incoming = IncomingMessage(f"chat.cancel.{origin}.{chat_id}", reply_to, message_headers, b"")
        return await self._canceller.handle(incoming)


def hit_of(messages):
    receipt = CancelReceipt.model_validate_json(messages[-1].body)
    assert (messages[-1].subject, receipt.id) == (BACK, ID)
    return receipt.hit


def code_of(message):
    return ErrorReply.model_validate_json(message.body).error.code


@pytest.mark.parametrize(("events", "seq", "count"), [("none", "0", 1), ("state", "1", 1), ("token", "1", 2)])
async def test_a_waiting_request_leaves_the_queue(events, seq, count):
    """Its place is free, its outcome is stored, its requester hears it: nobody else ever will tell it."""
    system = System(waiting(events=events))
    *told, receipt = await system.cancel()
    assert hit_of([receipt]) is CancelHit.WAITING
    assert not system.store.chat
    assert system.store.steps == ["result", TOLD, "remove"]
    assert len(told) == count
    assert {message.subject for message in told} == {"_R_.requester.1"}
    assert code_of(told[0]) is ErrorCode.CANCELLED
    assert (told[0].headers["Chat-Seq"], told[0].headers["Nats-Service-Error-Code"]) == (seq, "499")
    assert system.store.results[RESULT].headers["Chat-Body-SHA256"] == "ab"
    assert system.hits == [CancelHit.WAITING]
    [record] = system.records
    assert (record.id, record.client, record.lane, record.outcome) == (ID, "alice", "batch", "cancelled")


@pytest.mark.parametrize("store", [waiting(delivered=True), FakeStore()], ids=["running", "unknown"])
async def test_what_did_not_wait_is_recorded_by_whoever_ends_it(store):
    """The worker that has it knows how long it took; and of an id that nobody knows there is no record."""
    system = System(store)
    await system.cancel()
    assert not system.records.written


async def test_who_asks_for_the_outcome_itself_is_not_told():
    """It heard that it was accepted, and that is all it hears; the outcome is stored."""
    system = System(waiting(events="accepted"))
    assert hit_of(messages := await system.cancel()) is CancelHit.WAITING
    assert len(messages) == 1
    assert RESULT in system.store.results


async def test_a_running_request_is_told_to_its_worker():
    """It keeps its place until the worker has settled it, who tells the requester as well."""
    system = System(waiting(delivered=True))
    messages = await system.cancel()
    assert (hit_of(messages), len(messages)) == (CancelHit.RUNNING, 1)
    assert system.store.steps == ["result", TOLD]
    assert system.store.chat


async def test_a_finished_request_stays_as_it_is():
    """Its outcome is not written over, and nobody is told anything."""
    system = System(waiting())
    body = to_json(ErrorReply.of(ErrorCode.MODEL_FAILED, "x"))
    system.store.results[RESULT] = StoredMessage({}, body)
    assert hit_of(await system.cancel()) is CancelHit.FINISHED
    assert system.store.results[RESULT].body == body
    assert not system.store.steps


async def test_cancelling_again_ends_what_the_first_could_not():
    """A filter that died after it had stored the outcome leaves a request in CHAT; a repeat takes it out."""
    system = System(waiting())
    body = to_json(ErrorReply.of(ErrorCode.CANCELLED, "x"))
    system.store.results[RESULT] = StoredMessage({}, body)
    assert hit_of(await system.cancel()) is CancelHit.WAITING
    assert hit_of(await system.cancel()) is CancelHit.FINISHED


async def test_another_clients_id_is_unknown():
    """Bob can name Alice's id, and nothing of hers is touched."""
    system = System(waiting())
    for origin, named in (("bob", {}), ("gateway", {"Chat_Client": "http-alice"})):
        assert hit_of(await system.cancel(origin, **named)) is CancelHit.UNKNOWN
    assert system.store.chat
    assert RESULT not in system.store.results


async def test_what_is_approved_meanwhile_is_found():
    """The look before the outcome was stored came too early; the one after it finds the request."""
    system = System(FakeStore())
    message_headers = {"Chat-Reply-To": "_R_.requester.1", "Chat-Events": "state"}
    system.store.before["store_result"] = lambda: system.store.hold(PLACE, message_headers)
    assert hit_of(await system.cancel()) is CancelHit.WAITING


@pytest.mark.parametrize(
    ("origin", "chat_id", "named"),
    [("gateway", ID, {}), ("gateway", ID, {"Chat_Client": "alice"}), ("http-x", ID, {}), ("alice", "7", {})],
)
async def test_what_cannot_be_read_is_an_error(origin, chat_id, named):
    """Whose request it is must be certain."""
    (answer,) = await System(waiting()).cancel(origin, chat_id, **named)
    assert (answer.subject, code_of(answer)) == (BACK, ErrorCode.INVALID_HEADER)


async def test_a_reply_subject_that_is_none_is_not_answered():
    """The receipt goes nowhere else; without any reply subject the request is cancelled all the same."""
    system = System(waiting())
    assert not await system.cancel(reply_to="chat.approved.batch.a.b")
    assert not system.hits
    (told,) = await system.cancel(reply_to="")
    assert (told.subject, system.hits) == ("_R_.requester.1", [CancelHit.WAITING])


async def test_trouble_with_the_bus_is_told_where_it_is_certain():
    """Surely not stored: an error. Perhaps stored: silence, and the canceller repeats."""
    system = System(waiting())
    system.store.fails = UnavailableError("x")
    (answer,) = await system.cancel()
    assert code_of(answer) is ErrorCode.BUS_UNAVAILABLE
    system.store.fails = UnconfirmedError()
    assert not await system.cancel()
