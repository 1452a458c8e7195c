"""One client's results fill CHAT_RESULT on a real nats-server: its own oldest go, and nobody else's."""

import json
from uuid import UUID

import pytest

from harness.processes.wait import until
from stile_contracts import subjects
from stile_filter.requests.result_shares import ResultShares
from stile_filter.store.jetstream import JetStreamStore

WORDS = """
keywords:
- {id: rude, category: rudeness, phrases: [darn]}
"""
MOST = 400_000
LONG = json.dumps({"prompt": "darn", "refusal_message": "\N{GRINNING FACE}" * 500}).encode()


def request_id(number):
    return UUID(f"0190a5d0-0000-7000-8000-{number:012}")


@pytest.fixture
async def results(bus):
    """CHAT_RESULT of few bytes, as the provisioner sees it."""
    admin = (await bus.connect("provisioner")).jetstream()
    await admin.update_stream((await admin.stream_info("CHAT_RESULT")).config.evolve(max_bytes=MOST))
    return admin


async def held_by(results, client):
    info = await results.stream_info("CHAT_RESULT", subjects_filter=subjects.results_of(client))
    return len(info.state.subjects or {})


async def test_whoever_holds_the_most_gives_up_its_oldest(bus, results):
    """On the stream itself; what is in CHAT is spared, and a second look changes nothing."""
    client = await bus.connect("filter")
    store = JetStreamStore(lambda: client)
    for number in range(160):
        for name, size in (("alice", 100), ("mallory", 2000)):
            if name == "mallory" or number < 10:
                await store.store_result(name, request_id(number), b"x" * size, {})
    waiting = subjects.approved(subjects.Lane.INTERACTIVE, "mallory", request_id(20))
    await store.approve(waiting, b"{}", {})
    shares = ResultShares(store, young_seconds=0)
    await shares.look()
    assert await held_by(results, "alice") == 10
    assert await held_by(results, "mallory") == 140
    await store.remove(1)
    await shares.look()
    left = await held_by(results, "mallory")
    assert 60 < left < 100
    assert await store.result("mallory", request_id(159))
    assert await store.result("mallory", request_id(0)) is None
    await shares.look()
    assert await held_by(results, "mallory") == left


async def test_a_flood_drives_out_the_floods_own(bus, run_filter, results):
    """The whole service: mallory is refused with long messages again and again, alice's outcome stays."""
    await run_filter(WORDS)
    alice, mallory = await bus.connect("alice"), await bus.connect("mallory")
    said = await alice.request("chat.request", b'{"prompt": "darn"}', timeout=30)
    for _ in range(3):
        # Past three quarters, and short of all of it.
        while (await results.stream_info("CHAT_RESULT")).state.bytes < MOST * 0.85:
            await mallory.request("chat.request", LONG, timeout=30)

        async def is_made_room():
            return (await results.stream_info("CHAT_RESULT")).state.bytes <= MOST * 0.75

        await until(is_made_room, within=90, what="mallory's oldest are gone")
    found = await alice.request(f"chat.outcome.{json.loads(said.data)['id']}", b"", timeout=30)
    assert json.loads(found.data) == json.loads(said.data)
