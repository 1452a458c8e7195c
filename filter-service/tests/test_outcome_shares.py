"""One client's outcomes fill CHAT_RESULT: its own oldest go, and nobody else's."""

import json
from uuid import UUID

import pytest

from harness.processes.wait import until
from stile_contracts import subjects
from stile_filter.outcome_shares import Cuts, Outcome, OutcomeShares
from stile_filter.outcome_stream import NatsOutcomes

WORDS = """
keywords:
- {id: rude, category: rudeness, phrases: [darn]}
"""
MOST = 400_000
LONG = json.dumps({"prompt": "darn", "refusal_message": "\N{GRINNING FACE}" * 500}).encode()


def request_id(number):
    return UUID(f"0190a5d0-0000-7000-8000-{number:012}")


def outcome(seq, client="a", size=100, stored=0.0):
    return Outcome((client, request_id(seq)), seq, size, stored)


def cut(excess, outcomes, spared=(), until=1.0):
    cuts = Cuts(dict(excess), set(spared), until)
    for one in outcomes:
        cuts.take(one)
    return cuts.before


def test_the_oldest_go_and_no_more_than_is_too_much():
    """Of whoever holds too much; what others hold is not looked at."""
    outcomes = [outcome(seq, "ab"[seq % 2]) for seq in range(10)]
    assert cut({"a": 250}, outcomes) == {"a": 5}
    assert cut({}, outcomes) == {}


def test_what_is_young_or_still_in_chat_stays():
    """It would be generated a second time; and what is later than that stays as well."""
    outcomes = [outcome(seq) for seq in range(5)]
    assert cut({"a": 500}, outcomes, spared=[("a", request_id(2))]) == {"a": 2}
    assert cut({"a": 500}, [outcome(0), outcome(1, stored=2.0), outcome(2)]) == {"a": 1}


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
    outcomes = NatsOutcomes(lambda: client)
    for number in range(160):
        for name, size in (("alice", 100), ("mallory", 2000)):
            if name == "mallory" or number < 10:
                await outcomes.settle(subjects.result(name, request_id(number)), b"x" * size, {})
    waiting = subjects.approved(subjects.Lane.INTERACTIVE, "mallory", request_id(20))
    await outcomes.approve(waiting, b"{}", {})
    shares = OutcomeShares(outcomes, young_seconds=0)
    await shares.look()
    assert await held_by(results, "alice") == 10
    assert await held_by(results, "mallory") == 140
    await outcomes.remove(1)
    await shares.look()
    left = await held_by(results, "mallory")
    assert 60 < left < 100
    assert await outcomes.outcome(subjects.result("mallory", request_id(159)))
    assert await outcomes.outcome(subjects.result("mallory", request_id(0))) is None
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
