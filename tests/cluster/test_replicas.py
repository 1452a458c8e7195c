"""What three replicas change for whoever writes and reads: who wins, and what a reader may be told."""

import asyncio
from uuid import uuid4

import pytest
import pytest_asyncio

from stile.nats import provision
from stile_contracts import subjects
from stile_filter.store import Approval
from stile_filter.store.jetstream import JetStreamStore

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUNDS = 100


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stores(cluster):
    """The filter's store, once through each server."""
    clients = [await cluster.connect("filter", node=node) for node in cluster.nodes]
    return [JetStreamStore(lambda client=client: client) for client in clients]


def approved():
    chat_id = uuid4()
    return chat_id, subjects.approved(subjects.Lane.BATCH, "alice", chat_id)


async def test_the_streams_lie_on_all_three(cluster):
    """The streams of requests have three replicas, and provisioning again has nothing to change."""
    provisioner = await cluster.connect("provisioner")
    for stream in (subjects.CHAT_STREAM, subjects.RESULT_STREAM):
        info = await provisioner.jetstream().stream_info(stream)
        assert (info.config.num_replicas, len(info.cluster.replicas)) == (3, 2)
    shown = []
    await provision.apply(provisioner, provision.read_plan(cluster.plan, replicas=3), shown.append)
    assert shown == []


async def test_one_of_three_at_once_has_the_place(stores):
    """The same id approved through three servers in one moment: stored once, taken for the others."""
    for _ in range(ROUNDS):
        chat_id, place = approved()
        said = await asyncio.gather(*(each.approve(place, b"x", {}) for each in stores))
        assert sorted(said) == [Approval.STORED, Approval.TAKEN, Approval.TAKEN]
        assert await stores[0].remove(await number(stores[0], chat_id))


async def test_one_of_three_at_once_is_the_outcome(stores):
    """Three outcomes of one id in one moment: one counts, and all three read that one."""
    for _ in range(ROUNDS):
        chat_id = uuid4()
        bodies = [b"one", b"two", b"three"]
        won = await asyncio.gather(
            *(
                each.store_result("alice", chat_id, body, {})
                for each, body in zip(stores, bodies, strict=True)
            )
        )
        assert won.count(True) == 1
        read = [await each.result("alice", chat_id) for each in stores]
        assert {stored.body for stored in read} == {bodies[won.index(True)]}


async def test_what_was_confirmed_is_read_through_every_server(stores):
    """A reader is never told that there is nothing once the writer has its confirmation (docs/adr/0010).

    Read from any replica (``DIRECT.GET``), about one look in six through one of the servers found nothing.
    """
    for turn in range(ROUNDS * 3):
        answered, (chat_id, place) = uuid4(), approved()
        writer = stores[turn % 3]
        assert await writer.store_result("alice", answered, b"x", {})
        assert all(await asyncio.gather(*(each.result("alice", answered) for each in stores)))
        assert await writer.approve(place, b"x", {}) is Approval.STORED
        assert all(await asyncio.gather(*(each.waiting("alice", chat_id) for each in stores)))
        assert await writer.remove(await number(writer, chat_id))


async def number(store, chat_id):
    return (await store.waiting("alice", chat_id)).seq
