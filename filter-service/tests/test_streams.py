"""CHAT and CHAT_RESULT on a real nats-server, as the user ``filter``: what each of its answers means."""

import asyncio
import json
import os
import signal
from uuid import UUID

import nats.errors
import pytest
from nats.js.api import ConsumerConfig

from stile_contracts import headers, subjects
from stile_contracts.errors import ErrorCode
from stile_filter.errors import RequestError, UnavailableError, UnconfirmedError
from stile_filter.ports import Approval
from stile_filter.streams import NatsStreams

IDS = [UUID(f"0190a5d0-0000-7000-8000-{number:012}") for number in range(3)]
PLACES = [subjects.approved(subjects.Lane.INTERACTIVE, "alice", chat_id) for chat_id in IDS]
RESULT = subjects.result("alice", IDS[0])


class Reworded:
    """A connection to a nats-server that words its errors otherwise, as a later version may."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        return getattr(self._client, name)

    async def request(self, *arguments, **named):
        answer = await self._client.request(*arguments, **named)
        read = json.loads(answer.data)
        if "error" in read:
            read["error"]["description"] = "worded otherwise"
            answer.data = json.dumps(read).encode()
        return answer


@pytest.fixture(params=[lambda client: client, Reworded], ids=["as it is", "reworded"])
async def streams(bus, request):
    """The streams over the filter's own connection: no answer's meaning hangs on the server's English."""
    client = request.param(await bus.connect("filter"))
    return NatsStreams(lambda: client, ack_seconds=0.5, election_seconds=1.0)


async def test_a_place_is_taken_once(streams):
    """The first is stored; the second finds the place taken, and the first one in it."""
    assert await streams.waiting("alice", IDS[0]) is None
    assert await streams.approve(PLACES[0], b"one", {"Chat-Body-SHA256": "a"}) is Approval.STORED
    assert await streams.approve(PLACES[0], b"two", {"Chat-Body-SHA256": "b"}) is Approval.TAKEN
    waiting = await streams.waiting("alice", IDS[0])
    assert (waiting.body, waiting.headers["Chat-Body-SHA256"]) == (b"one", "a")


@pytest.mark.parametrize("limit", [{"max_msgs": 1}, {"max_bytes": 300}])
async def test_a_full_stream_is_told_from_a_taken_place(bus, streams, limit):
    """Error 10077 has several reasons; CHAT itself tells which."""
    admin = (await bus.connect("provisioner")).jetstream()
    await admin.update_stream((await admin.stream_info("CHAT")).config.evolve(**limit))
    assert await streams.approve(PLACES[0], b"x" * 150, {}) is Approval.STORED
    assert await streams.approve(PLACES[1], b"x" * 150, {}) is Approval.FULL
    assert await streams.approve(PLACES[0], b"x" * 150, {}) is Approval.TAKEN


async def test_an_outcome_is_settled_once(streams):
    """The first outcome stays."""
    assert await streams.outcome(RESULT) is None
    assert await streams.settle(RESULT, b"one", {})
    assert not await streams.settle(RESULT, b"two", {})
    assert (await streams.outcome(RESULT)).body == b"one"


async def test_silence_is_no_confirmation(bus, streams):
    """A bus that does not answer in time may have stored it."""
    assert await streams.outcome(RESULT) is None
    os.kill(bus._process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(UnconfirmedError):
            await streams.approve(PLACES[0], b"", {})
        with pytest.raises(UnconfirmedError):
            await streams.settle(RESULT, b"", {})
    finally:
        os.kill(bus._process.pid, signal.SIGCONT)


async def test_a_stream_that_is_not_there_stores_nothing(bus, streams):
    """Nobody answers for CHAT: surely not stored."""
    await (await bus.connect("provisioner")).jetstream().delete_stream("CHAT")
    with pytest.raises(UnavailableError):
        await streams.approve(PLACES[0], b"", {})
    with pytest.raises(UnavailableError):
        await streams.waiting("alice", IDS[0])


async def test_a_stream_that_comes_back_is_asked_again(bus):
    """While a cluster chooses a stream's leader nobody answers for it; the request waits for the next one."""
    client = await bus.connect("filter")
    streams = NatsStreams(lambda: client, election_seconds=30)
    admin = (await bus.connect("provisioner")).jetstream()
    config = (await admin.stream_info("CHAT")).config
    await admin.delete_stream("CHAT")
    with pytest.raises(nats.errors.NoRespondersError):
        await client.request(PLACES[0], b"")
    approving = asyncio.create_task(streams.approve(PLACES[0], b"one", {}))
    await admin.add_stream(config)
    assert await approving is Approval.STORED


async def test_what_the_bus_does_not_carry_is_too_large(streams):
    """Past ``max_payload`` the client's own library says no."""
    with pytest.raises(RequestError) as raised:
        await streams.approve(PLACES[0], b"x" * 5_000_000, {})
    assert raised.value.code is ErrorCode.TOO_LARGE


async def test_a_closed_connection_stores_nothing(bus):
    """After the end nothing is sent."""
    client = await bus.connect("filter")
    await client.close()
    with pytest.raises(UnavailableError):
        await NatsStreams(lambda: client).approve(PLACES[0], b"", {})


@pytest.mark.parametrize("model", [None, "smollm2"])
async def test_a_message_is_known_to_be_delivered_and_can_be_taken_out(bus, streams, model):
    """Delivered is what its durable consumer was handed; what is taken out is gone, the rest undisturbed."""
    lane, found = subjects.Lane.INTERACTIVE, []
    for chat_id in IDS[:2]:
        await streams.approve(subjects.approved(lane, "alice", chat_id, model), b"", {})
        found.append(await streams.waiting("alice", chat_id))
    assert not await streams.is_delivered(found[0])
    admin = (await bus.connect("provisioner")).jetstream()
    name = subjects.durable(found[0].headers[headers.NATS_SUBJECT])
    await admin.add_consumer(
        "CHAT",
        ConsumerConfig(durable_name=name, filter_subject=subjects.approved(lane, "alice", "*", model)),
    )
    (held,) = await (await admin.pull_subscribe_bind(consumer=name, stream="CHAT")).fetch(1)
    assert await streams.is_delivered(found[0])
    assert not await streams.is_delivered(found[1])
    second = int(found[1].headers[headers.NATS_SEQUENCE])
    assert await streams.remove(second)
    assert not await streams.remove(second)
    assert await streams.waiting("alice", IDS[1]) is None
    assert await streams.waiting("alice", IDS[0]) is not None
    await (await bus.connect("consumer")).request(held.reply, b"+ACK")
    assert await streams.waiting("alice", IDS[0]) is None


async def test_what_is_gone_already_is_not_removed(bus, streams):
    """Wherever in CHAT it was, first, between or last: a worker was faster, and the bus is well."""
    approver = (await bus.connect("filter")).jetstream()
    subjects_held = [f"chat.approved.batch.alice.0190a5d0-0000-7000-8000-00000000000{n}" for n in range(3)]
    seqs = [(await approver.publish(subject, b"")).seq for subject in subjects_held]
    for seq in (seqs[1], seqs[0], seqs[2]):
        assert await streams.remove(seq)
        assert not await streams.remove(seq)
    assert await streams.held() == []


@pytest.mark.parametrize("lane", subjects.Lane)
@pytest.mark.parametrize("model", [None, "llama-3=2E2"])
async def test_a_request_is_found_whatever_its_lane_and_model(streams, lane, model):
    """Among others', by its client and id alone: nats-server looks for a last message by wildcards too."""
    place = subjects.approved(lane, "alice", IDS[0], model)
    others = [("bob", IDS[0]), ("alice", IDS[1])]
    for number, held in enumerate([place, *(subjects.approved(lane, *other, model) for other in others)]):
        await streams.approve(held, b"%d" % number, {})
    found = await streams.waiting("alice", IDS[0])
    assert (found.body, found.headers[headers.NATS_SUBJECT]) == (b"0", place)
    assert await streams.waiting("bob", IDS[1]) is None


async def test_what_chat_holds(streams):
    """The subjects of all that have no outcome yet, those that name a model among them."""
    named = subjects.approved(subjects.Lane.BATCH, "alice", IDS[0], "smollm2")
    await streams.approve(named, b"", {})
    for place in PLACES:
        await streams.approve(place, b"", {})
    assert sorted(await streams.held()) == sorted([*PLACES, named])


async def test_an_approval_wakes_the_workers(bus, streams):
    """After CHAT has it, and only then, a sleeping worker is told to look."""
    worker = await bus.connect("consumer")
    told = await worker.subscribe(subjects.WAKE)
    await worker.flush()
    await streams.approve(PLACES[0], b"", {})
    assert (await told.next_msg(timeout=5)).data == b""
