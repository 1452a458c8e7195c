"""The store: what each of its answers means, on nats-server as the user ``filter`` and in memory alike."""

import asyncio
import json
import os
import signal
import time
from uuid import UUID

import nats.errors
import pytest
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig

from harness.filter.store import FakeStore
from harness.processes.wait import until
from stile_contracts import subjects
from stile_contracts.errors import ErrorCode
from stile_filter.errors import RequestError, UnavailableError, UnconfirmedError
from stile_filter.store import Approval, UndeliverableMessage
from stile_filter.store.jetstream import JetStreamStore

IDS = [UUID(f"0190a5d0-0000-7000-8000-{number:012}") for number in range(3)]
INTERACTIVE, BATCH = subjects.Lane
PLACES = [subjects.approved(INTERACTIVE, "alice", chat_id) for chat_id in IDS]


class Reworded:
    """A connection to a nats-server that words its errors otherwise, as a later version may."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        return getattr(self._client, name)

    def jetstream(self, **options):
        return JetStreamContext(self, **options)

    async def request(self, *arguments, **named):
        answer = await self._client.request(*arguments, **named)
        read = json.loads(answer.data)
        if "error" in read:
            read["error"]["description"] = "worded otherwise"
            answer.data = json.dumps(read).encode()
        return answer


class Nats:
    """A store on nats-server, and what a worker and the owner do with the streams."""

    def __init__(self, bus, wrap):
        self._bus, self._wrap = bus, wrap
        self._pulled = {}

    async def start(self):
        client = self._wrap(await self._bus.connect("filter"))
        self.store = JetStreamStore(lambda: client, ack_seconds=0.5, election_seconds=1.0)
        self._admin = (await self._bus.connect("provisioner")).jetstream()
        self._worker = await self._bus.connect("consumer")
        self._events = await self._worker.subscribe(subjects.WAKE)
        await self._worker.flush()
        return self

    async def limit(self, stream="CHAT", **limits):
        await self._admin.update_stream((await self._admin.stream_info(stream)).config.evolve(**limits))

    async def deliver(self, subject, **limits):
        name, line = subjects.durable(subject), subjects.parse_approved(subject)
        _, _, _, _, _, *model = subject.split(".")
        config = ConsumerConfig(
            durable_name=name, filter_subject=subjects.approved(line.lane, line.client, "*", *model), **limits
        )
        await self._admin.add_consumer("CHAT", config)
        pull = await self._admin.pull_subscribe_bind(consumer=name, stream="CHAT")
        [message] = await pull.fetch(1)
        assert message.subject == subject
        self._pulled[subject] = message.reply

    async def acknowledge(self, subject):
        await self._worker.request(self._pulled.pop(subject), b"+ACK")

    async def give_up(self, subject):
        """Deliver it once, as often as may be, and never acknowledge it."""
        await self.deliver(subject, max_deliver=1, ack_wait=0.2)

        async def is_given_up():
            info = await self._admin.consumer_info("CHAT", subjects.durable(subject))
            return info.num_ack_pending == info.num_pending == 0

        pull = await self._admin.pull_subscribe_bind(consumer=subjects.durable(subject), stream="CHAT")

        async def look():
            with pytest.raises(nats.errors.TimeoutError):
                await pull.fetch(1, timeout=0.3)
            return await is_given_up()

        await until(look, what="it is delivered no more")

    async def next_event(self):
        event = await self._events.next_msg(timeout=5)
        return event.subject, event.data.decode()


class Memory:
    """The fake, and the same things done with it."""

    def __init__(self):
        self.store = FakeStore()

    async def limit(self, stream="CHAT", *, max_msgs=None, max_bytes=None):
        assert stream == "CHAT"
        self.store.places = self.store.places if max_msgs is None else max_msgs
        self.store.chat_bytes = self.store.chat_bytes if max_bytes is None else max_bytes

    async def deliver(self, subject):
        self.store.deliver(subject)

    async def acknowledge(self, subject):
        self.store.acknowledge(subject)

    async def give_up(self, subject):
        self.store.give_up(subject, 1)

    async def next_event(self):
        event = next(step for step in self.store.steps if step.startswith("chat.event."))
        return event, self.store.woken_for[0]


def as_it_is(client):
    return client


@pytest.fixture(params=["nats-server", "reworded", "in memory"])
def kind(request):
    """Which store; nothing that nats-server answers may hang on its English, so one words it otherwise."""
    return request.param


@pytest.fixture
def bus_if_needed(kind, request):
    """The bus of a store on nats-server."""
    return None if kind == "in memory" else request.getfixturevalue("bus")


@pytest.fixture
async def side(kind, bus_if_needed):
    """A store, with whatever else works on its streams."""
    if bus_if_needed is None:
        return Memory()
    return await Nats(bus_if_needed, Reworded if kind == "reworded" else as_it_is).start()


@pytest.fixture
def store(side):
    """The store of one side."""
    return side.store


async def test_a_place_is_taken_once(store):
    """The first is stored; the second finds the place taken, and the first one in it."""
    assert await store.waiting("alice", IDS[0]) is None
    assert await store.approve(PLACES[0], b"one", {"Chat-Body-SHA256": "a"}) is Approval.STORED
    assert await store.approve(PLACES[0], b"two", {"Chat-Body-SHA256": "b"}) is Approval.TAKEN
    waiting = await store.waiting("alice", IDS[0])
    assert (waiting.body, waiting.headers["Chat-Body-SHA256"]) == (b"one", "a")
    assert waiting.address == (INTERACTIVE, "alice", IDS[0])
    assert await store.at(waiting.seq) == waiting


async def test_an_answer_is_remembered_for_its_client(store):
    """Also if it is written twice."""
    tag = "0123456789abcdef" * 2
    assert not await store.remembers("alice", tag)
    for _ in range(2):
        await store.remember("alice", tag)
        assert await store.remembers("alice", tag)
    assert not await store.remembers("bob", tag)
    assert not await store.remembers("alice", tag[::-1])


@pytest.mark.parametrize("limit", [{"max_msgs": 1}, {"max_bytes": 300}])
async def test_a_full_stream_is_told_from_a_taken_place(side, store, limit):
    """Error 10077 has several reasons; CHAT itself tells which."""
    await side.limit(**limit)
    assert await store.approve(PLACES[0], b"x" * 150, {}) is Approval.STORED
    assert await store.approve(PLACES[1], b"x" * 151, {}) is Approval.FULL
    assert await store.approve(PLACES[0], b"x" * 150, {}) is Approval.TAKEN


async def test_a_result_is_stored_once(store):
    """The first result stays, with its headers."""
    assert await store.result("alice", IDS[0]) is None
    assert await store.store_result("alice", IDS[0], b"one", {"Chat-Attempt": "1"})
    assert not await store.store_result("alice", IDS[0], b"two", {})
    found = await store.result("alice", IDS[0])
    assert (found.body, found.headers["Chat-Attempt"]) == (b"one", "1")
    assert await store.result("bob", IDS[0]) is None


async def test_a_dead_letter_is_stored_once(store):
    """Whoever was first, a worker or a filter."""
    address = subjects.RequestAddress(BATCH, "alice", IDS[0])
    assert await store.store_dead_letter(address, b"one", {})
    assert not await store.store_dead_letter(address, b"two", {})


@pytest.mark.parametrize("model", [None, "smollm2"])
async def test_a_message_is_known_to_be_delivered_and_can_be_taken_out(side, store, model):
    """Delivered is what its durable has handed out; what is taken out is gone, the rest undisturbed."""
    places = [subjects.approved(INTERACTIVE, "alice", chat_id, model) for chat_id in IDS[:2]]
    for place in places:
        await store.approve(place, b"", {})
    first, second = [await store.waiting("alice", chat_id) for chat_id in IDS[:2]]
    assert not await store.is_delivered(first)
    await side.deliver(places[0])
    assert await store.is_delivered(first)
    assert not await store.is_delivered(second)
    assert await store.remove(second.seq)
    assert not await store.remove(second.seq)
    assert await store.waiting("alice", IDS[1]) is None
    assert await store.waiting("alice", IDS[0]) == first
    await side.acknowledge(places[0])
    assert await store.waiting("alice", IDS[0]) is None


async def test_what_is_gone_already_is_not_removed(store):
    """Wherever in CHAT it was, first, between or last: a worker was faster, and the bus is well."""
    for place in PLACES:
        await store.approve(place, b"", {})
    seqs = [(await store.waiting("alice", chat_id)).seq for chat_id in IDS]
    for seq in (seqs[1], seqs[0], seqs[2]):
        assert await store.remove(seq)
        assert not await store.remove(seq)
        assert await store.at(seq) is None
    assert (await store.look()).subjects == []


@pytest.mark.parametrize("lane", subjects.Lane)
@pytest.mark.parametrize("model", [None, "llama-3=2E2"])
async def test_a_request_is_found_whatever_its_lane_and_model(store, lane, model):
    """Among others', by its client and id alone: nats-server looks for a last message by wildcards too."""
    place = subjects.approved(lane, "alice", IDS[0], model)
    others = [("bob", IDS[0]), ("alice", IDS[1])]
    for number, held in enumerate([place, *(subjects.approved(lane, *other, model) for other in others)]):
        await store.approve(held, b"%d" % number, {})
    found = await store.waiting("alice", IDS[0])
    assert (found.body, found.subject) == (b"0", place)
    assert await store.waiting("bob", IDS[1]) is None


async def test_what_chat_holds(side, store):
    """The subjects of all that have no result yet, those that name a model among them, and the room."""
    named = subjects.approved(BATCH, "alice", IDS[0], "smollm2")
    await side.limit(max_msgs=7, max_bytes=10_000)
    assert (await store.look())[:2] == ([], (7, 0))
    for place in [named, *PLACES]:
        await store.approve(place, b"x" * 1000, {})
    held, room, at = await store.look()
    assert abs(at - time.time()) < 60
    assert sorted(held) == sorted([*PLACES, named])
    assert (room.places, round(room.filled, 1)) == (7, 0.4)


async def test_an_approval_wakes_the_workers(side, store):
    """A sleeping worker learns which request it is, but only after CHAT has the request."""
    await store.approve(PLACES[0], b"", {})
    assert await side.next_event() == (subjects.WAKE, PLACES[0])


async def test_what_is_delivered_no_more_is_found(side, store):
    """With how often it was delivered, until it is taken out; what waits is not among it."""
    assert await store.given_up() == []
    await store.approve(PLACES[0], b"", {})
    assert await store.given_up() == []
    await side.give_up(PLACES[0])
    found = await store.waiting("alice", IDS[0])
    assert await store.is_delivered(found)
    assert await store.given_up() == [UndeliverableMessage(found.seq, 1)]
    await store.remove(found.seq)
    assert await store.given_up() == []


async def test_results_are_listed_and_purged_by_their_client(store):
    """The oldest first; what another client has, and what is newer, stays."""
    for client, chat_id in (("alice", IDS[0]), ("bob", IDS[0]), ("alice", IDS[1]), ("alice", IDS[2])):
        await store.store_result(client, chat_id, b"x" * 1000, {})
    records = [record async for record in store.result_records()]
    owners = [("alice", IDS[0]), ("bob", IDS[0]), ("alice", IDS[1]), ("alice", IDS[2])]
    assert [record.owner for record in records] == owners
    assert [record.seq for record in records] == sorted(record.seq for record in records)
    room = await store.result_room()
    assert all(1000 <= record.size < 1500 for record in records)
    assert 4000 <= room.size < 6000
    assert all(0 <= room.now - record.stored < 60 for record in records)
    await store.purge_results("alice", records[2].seq + 1)
    assert [record.owner async for record in store.result_records()] == [owners[1], owners[3]]


async def test_silence_is_no_confirmation(bus):
    """A bus that does not answer in time may have stored it."""
    store = await of_filter(bus)
    assert await store.result("alice", IDS[0]) is None
    os.kill(bus._process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(UnconfirmedError):
            await store.approve(PLACES[0], b"", {})
        with pytest.raises(UnconfirmedError):
            await store.store_result("alice", IDS[0], b"", {})
    finally:
        os.kill(bus._process.pid, signal.SIGCONT)


async def test_a_stream_that_is_not_there_stores_nothing(bus):
    """Nobody answers for CHAT: surely not stored."""
    store = await of_filter(bus)
    await (await bus.connect("provisioner")).jetstream().delete_stream("CHAT")
    with pytest.raises(UnavailableError):
        await store.approve(PLACES[0], b"", {})
    with pytest.raises(UnavailableError):
        await store.waiting("alice", IDS[0])


async def test_a_stream_that_comes_back_is_asked_again(bus):
    """While a cluster chooses a stream's leader nobody answers for it; the request waits for the next one."""
    client = await bus.connect("filter")
    store = JetStreamStore(lambda: client, election_seconds=30)
    admin = (await bus.connect("provisioner")).jetstream()
    config = (await admin.stream_info("CHAT")).config
    await admin.delete_stream("CHAT")
    with pytest.raises(nats.errors.NoRespondersError):
        await client.request(PLACES[0], b"")
    approving = asyncio.create_task(store.approve(PLACES[0], b"one", {}))
    await admin.add_stream(config)
    assert await approving is Approval.STORED


async def test_what_the_bus_does_not_carry_is_too_large(bus):
    """Past ``max_payload`` the client's own library says no."""
    with pytest.raises(RequestError) as raised:
        await (await of_filter(bus)).approve(PLACES[0], b"x" * 5_000_000, {})
    assert raised.value.code is ErrorCode.TOO_LARGE


async def test_a_closed_connection_stores_nothing(bus):
    """After the end nothing is sent."""
    client = await bus.connect("filter")
    await client.close()
    with pytest.raises(UnavailableError):
        await JetStreamStore(lambda: client).approve(PLACES[0], b"", {})


async def of_filter(bus):
    """Make a store on the filter's own connection that does not wait for long."""
    client = await bus.connect("filter")
    return JetStreamStore(lambda: client, ack_seconds=0.5, election_seconds=1.0)
