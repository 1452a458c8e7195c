"""What CHAT gives up: over streams in memory, then on a real nats-server with a real consumer's limits."""

import json
from uuid import UUID

import pytest
import structlog
from nats.js.api import AckPolicy, ConsumerConfig

from harness.processes.wait import until
from stile_contracts import headers, subjects
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import ErrorReply, Reply
from stile_filter.answers import Stored, to_json
from stile_filter.dead_letter_streams import NatsDeadLetterStreams
from stile_filter.dead_letters import DeadLetters, GivenUp
from stile_filter.errors import RequestError, UnavailableError, UnconfirmedError
from stile_filter.request import Incoming

ID = UUID("0190a5d0-0000-7000-8000-000000000001")
LANE = subjects.Lane.BATCH
PLACE = subjects.approved(LANE, "alice", ID)
RESULT = subjects.result("alice", ID)
DEAD = subjects.dead(LANE, "alice", ID)
REPLY_TO = "_R_.requester.1"
NOW = 1_800_000_000.0
OWN = {
    "Chat-Id": str(ID),
    "Chat-Client": "alice",
    "Chat-Lane": "batch",
    "Chat-Deadline": "9999999999999",
    "Chat-Events": "none",
    "Chat-Reply-To": REPLY_TO,
    "Chat-Body-SHA256": "ab" * 32,
    "Chat-Policy": "0" * 12,
}


class FakeStreams:
    """CHAT with one request that is delivered no more, and what was done, in order."""

    def __init__(self, **changed):
        nats = {"Nats-Sequence": "7", "Nats-Subject": PLACE, "Nats-Stream": "CHAT"}
        self.chat = {7: Stored(OWN | nats | changed, b"the conversation")}
        self.kept, self.did, self.fails_at, self.too_large = {}, [], None, None

    def _does(self, what):
        if self.fails_at == what:
            raise UnavailableError("the bus is away")
        self.did.append(what)

    async def at(self, seq):
        return self.chat.get(seq)

    async def given_up(self):
        self._does("look")
        return [GivenUp(seq, 4) for seq in self.chat]

    async def outcome(self, subject):
        return self.kept.get(subject)

    async def settle(self, subject, body, message_headers):
        if subject == self.too_large:
            raise RequestError(ErrorCode.TOO_LARGE, "the conversation is larger than the bus carries")
        self._does(subject.split(".")[1])
        return self.kept.setdefault(subject, stored := Stored(message_headers, body)) is stored

    async def remove(self, seq):
        self._does("remove")
        return self.chat.pop(seq, None) is not None

    async def tell(self, subject):
        self._does(subject.split(".")[2])


class System:
    """The dead letters over ``streams``; what was sent and how many were counted."""

    def __init__(self, streams):
        self.streams, self.sent, self.count = streams, [], 0
        self.letters = DeadLetters(streams, self._send, self._counted, now=lambda: NOW)

    async def _send(self, messages):
        self.streams._does("send")
        self.sent += messages

    def _counted(self):
        self.count += 1

    async def advise(self, body=None):
        body = json.dumps({"stream": "CHAT", "stream_seq": 7, "deliveries": 4}) if body is None else body
        await self.letters.advised(Incoming("$JS.EVENT.x", "", {}, body.encode()))


async def test_a_given_up_request_is_laid_aside_answered_and_taken_out():
    """In the order that lets each step be done again: dead letter, outcome, reply, out of CHAT, finished."""
    system = System(FakeStreams())
    await system.advise()
    assert system.streams.did == ["dead", "result", "send", "remove", "finished"]
    dead = system.streams.kept[DEAD]
    assert dead.body == b"the conversation"
    assert dead.headers == OWN | {
        "Chat-Attempt": "4",
        "Chat-Dead-Reason": "too_many_attempts",
        "Chat-Dead-At": "1800000000000",
    }
    outcome = system.streams.kept[RESULT]
    error = ErrorReply.model_validate_json(outcome.body).error
    assert (error.code, error.final, error.id) == (ErrorCode.TOO_MANY_ATTEMPTS, True, ID)
    assert outcome.headers["Chat-Body-SHA256"] == OWN["Chat-Body-SHA256"]
    [said] = system.sent
    assert (said.subject, said.body) == (REPLY_TO, outcome.body)
    assert said.headers["Nats-Service-Error"] == "too_many_attempts"
    assert (said.headers["Chat-Attempt"], said.headers["Chat-Seq"]) == ("4", "0")
    assert system.count == 1


async def test_one_that_is_too_large_to_lay_aside_ends_all_the_same():
    """The bus does not carry it with its added headers: it gets its outcome, and its place is free."""
    system = System(FakeStreams())
    system.streams.too_large = DEAD
    with structlog.testing.capture_logs() as logs:
        await system.advise()
    assert system.streams.did == ["result", "send", "remove", "finished"]
    assert system.streams.chat == {}
    assert [line["event"] for line in logs] == ["dead_letter_not_kept", "dead_letter"]


async def test_a_sweep_does_the_same_for_what_nobody_heard_of():
    """A filter that was away finds it by itself; a second sweep finds nothing."""
    system = System(FakeStreams())
    await system.letters.sweep()
    await system.letters.sweep()
    assert system.streams.did == ["look", "dead", "result", "send", "remove", "finished", "look"]
    assert system.count == 1


@pytest.mark.parametrize("step", ["dead", "result", "send", "remove", "finished"])
async def test_a_step_that_fails_is_done_again(step):
    """Whatever fails, the next sweep ends it, with one dead letter, one outcome, and the requester told."""
    system = System(FakeStreams())
    system.streams.fails_at = step
    await system.advise()
    system.streams.fails_at = None
    await system.letters.sweep()
    assert not system.streams.chat
    assert set(system.streams.kept) == {DEAD, RESULT}
    assert {said.subject for said in system.sent} == {REPLY_TO}
    assert system.count == 1


async def test_an_unconfirmed_outcome_is_not_replied():
    """What may not be stored is not said."""
    system = System(FakeStreams())

    async def unconfirmed(*_):
        raise UnconfirmedError

    system.streams.settle = unconfirmed
    await system.advise()
    assert not system.sent
    assert system.streams.chat


async def test_a_request_with_an_outcome_is_no_dead_letter():
    """Its worker had answered and could not acknowledge: the requester hears that answer again."""
    system = System(FakeStreams(**{"Chat-Events": "token"}))
    reply = Reply(response="Because.", id=ID)
    system.streams.kept[RESULT] = Stored({"Chat-Attempt": "3", "Chat-Seq": "9"}, to_json(reply))
    await system.advise()
    assert DEAD not in system.streams.kept
    done, end = system.sent
    assert (done.headers["Chat-Event"], done.headers["Chat-Attempt"], done.body) == (
        "done",
        "3",
        to_json(reply),
    )
    assert end.headers is None
    assert not system.streams.chat
    assert system.count == 0


async def test_who_asks_for_the_outcome_itself_is_not_told():
    """It heard that it was accepted, and that is all it hears; the outcome is stored."""
    system = System(FakeStreams(**{"Chat-Events": "accepted"}))
    await system.advise()
    assert not system.sent
    assert RESULT in system.streams.kept
    assert not system.streams.chat


async def test_whoever_was_first_with_the_outcome_is_right():
    """A worker that wakes in between stores its answer: the requester hears that, and only that."""
    system = System(FakeStreams())
    reply = to_json(Reply(response="Because.", id=ID))
    settle = system.streams.settle

    async def beaten(subject, body, message_headers):
        if subject == RESULT:
            await settle(RESULT, reply, {})
        return await settle(subject, body, message_headers)

    system.streams.settle = beaten
    await system.advise()
    assert [said.body for said in system.sent] == [reply]


@pytest.mark.parametrize("reply_to", ["", "chat.approved.x", "$JS.API.INFO"])
async def test_a_reply_subject_that_points_elsewhere_hears_nothing(reply_to):
    """The place to answer is checked once more before anything is sent to it."""
    system = System(FakeStreams(**{"Chat-Reply-To": reply_to}))
    await system.advise()
    assert not system.sent
    assert not system.streams.chat


async def test_a_subject_that_nobody_approves_under_frees_its_place():
    """Nobody can be answered."""
    system = System(FakeStreams(**{"Nats-Subject": "chat.approved.batch.alice.no-uuid"}))
    await system.advise()
    assert not system.sent
    assert not system.streams.kept
    assert not system.streams.chat


@pytest.mark.parametrize("body", ["", "{}", "[]", '{"stream_seq": "x", "deliveries": 1}'])
async def test_an_advisory_that_cannot_be_read_changes_nothing(body):
    """It is logged, and the sweep finds what it was about."""
    system = System(FakeStreams())
    with structlog.testing.capture_logs() as logs:
        await system.advise(body)
    assert [entry["event"] for entry in logs] == ["advisory_unreadable"]
    assert system.streams.chat


async def test_a_request_that_is_gone_changes_nothing():
    """Another filter was faster."""
    system = System(FakeStreams())
    system.streams.chat.clear()
    await system.advise()
    assert system.streams.did == []


class Line:
    """One client's requests on a real bus, and a worker that dies with each that it is handed."""

    def __init__(self, bus, model):
        self.bus, self.model = bus, model
        self.name = subjects.durable(self.place(ID))

    def place(self, chat_id):
        return subjects.approved(LANE, "alice", chat_id, self.model)

    async def start(self):
        """Make its durable consumer: two deliveries of a second each."""
        self.js = (await self.bus.connect("provisioner")).jetstream()
        self.filter = await self.bus.connect("filter")
        self.worker = await self.bus.connect("consumer")
        self.requester = await self.bus.connect("gateway")
        await self.js.add_consumer(
            "CHAT",
            ConsumerConfig(
                durable_name=self.name,
                filter_subject=self.place("*"),
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=1,
                max_deliver=2,
            ),
        )
        self.inbox = self.worker.new_inbox()
        self.handed = await self.worker.subscribe(self.inbox)
        return self

    async def approve(self, number):
        """Put a request into CHAT; return its id and what hears its replies."""
        chat_id = UUID(f"0190a5d0-0000-7000-8000-{number:012}")
        reply_to = f"{subjects.GATEWAY_INBOX}.test.{number}"
        hearing = await self.requester.subscribe(reply_to)
        await self.requester.flush()
        await self.filter.jetstream().publish(
            self.place(chat_id),
            b"the conversation",
            headers=OWN | {"Chat-Id": str(chat_id), "Chat-Reply-To": reply_to},
        )
        return chat_id, hearing

    async def pull(self):
        """Ask for a request as a worker does; return it, or None where there is none."""
        call = f"$JS.API.CONSUMER.MSG.NEXT.CHAT.{self.name}"
        await self.worker.publish(call, b'{"batch":1,"no_wait":true}', reply=self.inbox)
        message = await self.handed.next_msg(timeout=5)
        return None if (message.headers or {}).get("Status") else message

    async def take(self):
        """Be handed a request; nats-server may know of a new one a moment later."""
        return await until(self.pull, what="a request is handed out")

    async def exhaust(self):
        """Be handed every request twice, and never acknowledge; return the acknowledgements' subjects."""
        handed = []

        async def given_up():
            if message := await self.pull():
                handed.append(message.reply)
                return False
            info = await self.js.consumer_info("CHAT", self.name)
            return info.num_ack_pending == info.num_pending == 0

        await until(given_up, within=30, what="nothing is delivered any more")
        return handed

    async def chat_is_empty(self):
        """Tell whether every place is free."""
        return (await self.js.stream_info("CHAT")).state.messages == 0

    async def is_dead(self, chat_id):
        """Check that the request is laid aside, answered, and out of CHAT."""
        dead = await self.js.get_last_msg("CHAT_DLQ", subjects.dead(LANE, "alice", chat_id))
        assert (dead.data, dead.headers["Chat-Dead-Reason"]) == (b"the conversation", "too_many_attempts")
        assert (dead.headers["Chat-Attempt"], dead.headers["Chat-Client"]) == ("2", "alice")
        outcome = await self.js.get_last_msg("CHAT_RESULT", subjects.result("alice", chat_id))
        assert ErrorReply.model_validate_json(outcome.data).error.code is ErrorCode.TOO_MANY_ATTEMPTS


@pytest.fixture(params=[None, "llama-3=2E2"], ids=["any model", "a model"])
async def line(bus, request):
    """A line on a real bus; its requests may name a model, and then have a durable consumer of their own."""
    return await Line(bus, request.param).start()


async def test_the_advisory_is_heard_and_the_requester_told(line, run_filter):
    """A request that no worker survives: nats-server gives it up, and the filter ends it at once."""
    await run_filter("")
    chat_id, hearing = await line.approve(1)
    finished = await line.requester.subscribe(subjects.FINISHED)
    await line.requester.flush()
    assert len(await line.exhaust()) == 2
    said = await hearing.next_msg(timeout=10)
    assert said.headers["Nats-Service-Error"] == "too_many_attempts"
    assert (await finished.next_msg(timeout=10)).subject == subjects.finished(LANE, "alice", chat_id)
    await until(line.chat_is_empty, what="its place is free")
    await line.is_dead(chat_id)


async def test_what_was_given_up_while_no_filter_ran_is_found_at_the_start(line, run_filter):
    """The advisory is said once; whoever was away looks for itself. What only waits is left alone."""
    lost = [await line.approve(number) for number in (1, 2)]
    await line.exhaust()
    waiting, unheard = await line.approve(3)
    await run_filter("")
    for chat_id, hearing in lost:
        assert (await hearing.next_msg(timeout=10)).headers["Nats-Service-Error"] == "too_many_attempts"
        await line.is_dead(chat_id)

    async def left():
        state = (await line.js.stream_info("CHAT", subjects_filter=subjects.ALL_APPROVED)).state
        return list(state.subjects) == [line.place(waiting)]

    await until(left, what="their places are free")
    assert unheard.pending_msgs == 0


async def test_only_what_is_delivered_no_more_is_found(line):
    """Not what waits, is in hand, is to be delivered again, or was given back; whatever lies around it."""
    streams = NatsDeadLetterStreams(lambda: line.filter)
    assert await streams.given_up() == []
    await line.approve(1)
    assert await streams.given_up() == []
    await line.take()
    assert await streams.given_up() == []
    await line.exhaust()
    assert await streams.given_up() == [GivenUp(1, 2)]

    await line.approve(2)
    second = await line.take()
    await line.approve(3)
    assert GivenUp(2, 2) not in await streams.given_up()
    await line.worker.publish(second.reply, b"-NAK")
    await line.worker.flush()
    assert {given_up.seq for given_up in await streams.given_up()} <= {1}
    again = await line.take()
    await line.worker.publish(again.reply, b"+ACK")
    third = await line.take()
    assert third.subject == line.place(UUID("0190a5d0-0000-7000-8000-000000000003"))
    # Which of the two is in hand nobody can tell: a later look does.
    assert GivenUp(3, 2) not in await streams.given_up()
    await line.worker.request(third.reply, b"+ACK", timeout=5)
    assert await streams.given_up() == [GivenUp(1, 2)]
    await streams.remove(1)
    assert await streams.given_up() == []


async def test_a_stream_without_lines_holds_nothing_that_was_given_up(bus):
    """No consumer was ever made."""
    client = await bus.connect("filter")
    await client.jetstream().publish(PLACE, b"x", headers={headers.CHAT_ID: str(ID)})
    assert await NatsDeadLetterStreams(lambda: client).given_up() == []
