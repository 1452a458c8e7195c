"""What CHAT gives up, on a real nats-server with a real durable's limits."""

from uuid import UUID

import pytest
from nats.js.api import AckPolicy, ConsumerConfig

from harness.filter.waiting_request import HEADERS, ID, LANE, SUBJECT
from harness.processes.wait import until
from stile_contracts import headers, subjects
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import ErrorReply
from stile_filter.store import UndeliverableMessage
from stile_filter.store.jetstream import JetStreamStore


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
            headers=HEADERS | {"Chat-Id": str(chat_id), "Chat-Reply-To": reply_to},
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
        state = (await line.js.stream_info("CHAT", subjects_filter=subjects.ALL_CHAT)).state
        return list(state.subjects) == [line.place(waiting)]

    await until(left, what="their places are free")
    assert unheard.pending_msgs == 0


async def test_only_what_is_delivered_no_more_is_found(line):
    """Not what waits, is in hand, is to be delivered again, or was given back; whatever lies around it."""
    store = JetStreamStore(lambda: line.filter)
    assert await store.given_up() == []
    await line.approve(1)
    assert await store.given_up() == []
    await line.take()
    assert await store.given_up() == []
    await line.exhaust()
    assert await store.given_up() == [UndeliverableMessage(1, 2)]

    await line.approve(2)
    second = await line.take()
    await line.approve(3)
    assert UndeliverableMessage(2, 2) not in await store.given_up()
    await line.worker.publish(second.reply, b"-NAK")
    await line.worker.flush()
    assert {given_up.seq for given_up in await store.given_up()} <= {1}
    again = await line.take()
    await line.worker.publish(again.reply, b"+ACK")
    third = await line.take()
    assert third.subject == line.place(UUID("0190a5d0-0000-7000-8000-000000000003"))
    # Which of the two is in hand nobody can tell: a later look does.
    assert UndeliverableMessage(3, 2) not in await store.given_up()
    await line.worker.request(third.reply, b"+ACK", timeout=5)
    assert await store.given_up() == [UndeliverableMessage(1, 2)]
    await store.remove(1)
    assert await store.given_up() == []


async def test_a_stream_without_lines_holds_nothing_that_was_given_up(bus):
    """No consumer was ever made."""
    client = await bus.connect("filter")
    await client.jetstream().publish(SUBJECT, b"x", headers={headers.CHAT_ID: str(ID)})
    assert await JetStreamStore(lambda: client).given_up() == []
