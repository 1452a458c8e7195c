"""What CHAT gives up, over a store in memory."""

import json

import pytest
import structlog

from harness.filter.records import Records
from harness.filter.store import FakeStore
from harness.filter.waiting_request import FINISHED, HEADERS, ID, LANE, REPLY_TO, SUBJECT
from stile_contracts import subjects
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import ErrorReply, Reply
from stile_filter.errors import RequestError, UnavailableError, UnconfirmedError
from stile_filter.requests.dead_letters import DeadLetters
from stile_filter.store import StoredMessage
from stile_filter.transport.message import IncomingMessage
from stile_filter.transport.reply import to_json

RESULT = subjects.result("alice", ID)
DEAD = subjects.dead(LANE, "alice", ID)
NOW = 1_800_000_000.0


def given_up(subject=SUBJECT, **changed):
    """Make a store whose CHAT holds one request that is delivered no more."""
    store = FakeStore()
    store.hold(subject, {**HEADERS, "Nats-Stream": "CHAT", **changed}, b"the conversation", seq=7)
    store.give_up(subject, 4)
    return store


class System:
    """The dead letters over ``store``; what was sent and how many were counted."""

    def __init__(self, store):
        self.store, self.sent, self.count = store, [], 0
        self.records = Records()
        self.letters = DeadLetters(store, self._send, self._counted, self.records.log, now=lambda: NOW)

    async def _send(self, messages):
        self.store.step("send")
        self.sent += messages

    def _counted(self):
        self.count += 1

    async def advise(self, body=None):
        body = json.dumps({"stream": "CHAT", "stream_seq": 7, "deliveries": 4}) if body is None else body
        await self.letters.advised(IncomingMessage("$JS.EVENT.x", "", {}, body.encode()))


async def test_a_given_up_request_is_laid_aside_answered_and_taken_out():
    """In the order that lets each step be done again: dead letter, outcome, reply, out of CHAT, finished."""
    system = System(given_up())
    await system.advise()
    assert system.store.steps == ["dead", "result", "send", "remove", FINISHED]
    dead = system.store.dead[DEAD]
    assert dead.body == b"the conversation"
    assert dead.headers == HEADERS | {
        "Chat-Attempt": "4",
        "Chat-Dead-Reason": "too_many_attempts",
        "Chat-Dead-At": "1800000000000",
    }
    outcome = system.store.results[RESULT]
    error = ErrorReply.model_validate_json(outcome.body).error
    assert (error.code, error.final, error.id) == (ErrorCode.TOO_MANY_ATTEMPTS, True, ID)
    assert outcome.headers["Chat-Body-SHA256"] == HEADERS["Chat-Body-SHA256"]
    [said] = system.sent
    assert (said.subject, said.body) == (REPLY_TO, outcome.body)
    assert said.headers["Nats-Service-Error"] == "too_many_attempts"
    assert (said.headers["Chat-Attempt"], said.headers["Chat-Seq"]) == ("4", "0")
    [record] = system.records
    assert (record.id, record.outcome, record.attempt) == (ID, "too_many_attempts", 4)
    assert system.count == 1


async def test_one_that_is_too_large_to_lay_aside_ends_all_the_same():
    """The bus does not carry it with its added headers: it gets its outcome, and its place is free."""
    system = System(given_up())
    system.store.fails, system.store.fails_at = RequestError(ErrorCode.TOO_LARGE, "it is too large"), "dead"
    with structlog.testing.capture_logs() as logs:
        await system.advise()
    assert system.store.steps == ["result", "send", "remove", FINISHED]
    assert system.store.chat == {}
    assert [line["event"] for line in logs] == ["dead_letter_not_kept", "dead_letter"]


async def test_a_sweep_does_the_same_for_what_nobody_heard_of():
    """A filter that was away finds it by itself; a second sweep finds nothing."""
    system = System(given_up())
    await system.letters.sweep()
    await system.letters.sweep()
    assert system.store.steps == ["given_up", "dead", "result", "send", "remove", FINISHED, "given_up"]
    assert system.count == 1


@pytest.mark.parametrize("step", ["dead", "result", "send", "remove", FINISHED])
async def test_a_step_that_fails_is_done_again(step):
    """Whatever fails, the next sweep ends it, with one dead letter, one outcome, and the requester told."""
    system = System(given_up())
    system.store.fails, system.store.fails_at = UnavailableError("the bus is away"), step
    await system.advise()
    system.store.fails = None
    await system.letters.sweep()
    assert not system.store.chat
    assert (set(system.store.dead), set(system.store.results)) == ({DEAD}, {RESULT})
    assert {said.subject for said in system.sent} == {REPLY_TO}
    assert system.count == 1


async def test_an_unconfirmed_outcome_is_not_replied():
    """What may not be stored is not said."""
    system = System(given_up())
    system.store.fails, system.store.fails_at = UnconfirmedError(), "result"
    await system.advise()
    assert not system.sent
    assert system.store.chat


async def test_a_request_with_an_outcome_is_no_dead_letter():
    """Its worker had answered and could not acknowledge: the requester hears that answer again."""
    system = System(given_up(**{"Chat-Events": "token"}))
    reply = Reply(response="Because.", id=ID)
    system.store.results[RESULT] = StoredMessage({"Chat-Attempt": "3", "Chat-Seq": "9"}, to_json(reply))
    await system.advise()
    assert not system.store.dead
    done, end = system.sent
    assert (done.headers["Chat-Event"], done.headers["Chat-Attempt"], done.body) == (
        "done",
        "3",
        to_json(reply),
    )
    assert end.headers is None
    assert not system.store.chat
    assert system.count == 0


async def test_who_asks_for_the_outcome_itself_is_not_told():
    """It heard that it was accepted, and that is all it hears; the outcome is stored."""
    system = System(given_up(**{"Chat-Events": "accepted"}))
    await system.advise()
    assert not system.sent
    assert RESULT in system.store.results
    assert not system.store.chat


async def test_whoever_was_first_with_the_outcome_is_right():
    """A worker that wakes in between stores its answer: the requester hears that, and only that."""
    system = System(given_up())
    reply = to_json(Reply(response="Because.", id=ID))
    store = system.store
    store.before["store_result"] = lambda: store.results.update({RESULT: StoredMessage({}, reply)})
    await system.advise()
    assert [said.body for said in system.sent] == [reply]


@pytest.mark.parametrize("reply_to", ["", "chat.approved.x", "$JS.API.INFO"])
async def test_a_reply_subject_that_points_elsewhere_hears_nothing(reply_to):
    """The place to answer is checked once more before anything is sent to it."""
    system = System(given_up(**{"Chat-Reply-To": reply_to}))
    await system.advise()
    assert not system.sent
    assert not system.store.chat


async def test_a_subject_that_nobody_approves_under_frees_its_place():
    """Nobody can be answered."""
    system = System(given_up("chat.approved.batch.alice.no-uuid"))
    await system.advise()
    assert not system.sent
    assert not system.store.dead
    assert not system.store.results
    assert not system.store.chat


@pytest.mark.parametrize("body", ["", "{}", "[]", '{"stream_seq": "x", "deliveries": 1}'])
async def test_an_advisory_that_cannot_be_read_changes_nothing(body):
    """It is logged, and the sweep finds what it was about."""
    system = System(given_up())
    with structlog.testing.capture_logs() as logs:
        await system.advise(body)
    assert [entry["event"] for entry in logs] == ["advisory_unreadable"]
    assert system.store.chat


async def test_a_request_that_is_gone_changes_nothing():
    """Another filter was faster."""
    system = System(given_up())
    system.store.chat.clear()
    await system.advise()
    assert system.store.steps == []
