"""``Chat-Respond: later`` over the whole way: one reply at once, and the outcome for whoever asks for it."""

import json
from uuid import UUID

import pytest
from nats.errors import NoRespondersError

from harness.processes.wait import until

QUESTION = json.dumps({"prompt": "Why is the sky blue?"}).encode()
LATER = {"Chat-Respond": "later", "Chat-Key": "k"}


@pytest.fixture
async def system(start_system):
    """Every part, before a model that writes for three seconds; Alice and Bob ask over NATS."""
    return await start_system(clients=("alice", "bob"), tokens=30, token_seconds=0.1)


async def ask(client, **message_headers):
    """Return the one reply's event and body, as ``nats req chat.request`` prints it."""
    message = await client.request("chat.request", QUESTION, timeout=30, headers=message_headers)
    return message.headers["Chat-Event"], json.loads(message.data)


async def look_up(client, chat_id):
    """Return what ``nats req chat.outcome.<id> ''`` prints."""
    message = await client.request(f"chat.outcome.{chat_id}", b"", timeout=30)
    return message.headers["Chat-Event"], json.loads(message.data)


async def outcome(client, chat_id):
    """Wait for the outcome, asking again and again, as a device would."""

    async def done():
        try:
            event, body = await look_up(client, chat_id)
        except NoRespondersError:
            # The filter is not back on the bus yet.
            return None
        return body if event == "done" else None

    return await until(done, within=60, what="the answer is there")


async def test_one_reply_and_the_answer_for_whoever_asks(system):
    """Accepted, with id and place, and nothing after it; the answer by the id, and by the key."""
    alice = await system.bus.connect("alice")
    replies = await alice.subscribe("_INBOX.alice.later")
    await alice.publish("chat.request", QUESTION, reply="_INBOX.alice.later", headers=LATER)
    accepted = await replies.next_msg(timeout=30)
    assert accepted.headers["Chat-Event"] == "accepted"
    told = json.loads(accepted.data)
    assert (UUID(told["id"]).version, told["position"]) == (5, 0)
    event, place = await ask(alice, **LATER)
    assert (event, place["id"]) == ("accepted", told["id"])
    event, error = await ask(alice, **{"Chat-Key": "k"})
    assert (event, error["error"]["code"]) == ("error", "in_progress")
    answer = await outcome(alice, told["id"])
    assert answer["response"].startswith("echo: Why is the sky blue?")
    assert await ask(alice, **{"Chat-Key": "k"}) == ("done", answer)
    assert await ask(alice, **LATER) == ("done", answer)
    assert replies.pending_msgs == 0
    assert len(await system.model.prompts()) == 1


async def test_the_answer_outlives_the_bus(system):
    """nats-server dies after `accepted`, with every way back: the device comes back and has its answer."""
    alice = await system.bus.connect("alice", max_reconnect_attempts=-1)
    event, told = await ask(alice, **LATER)
    assert event == "accepted"
    system.bus.kill()
    await system.bus.start()
    await system.ready()
    answer = await outcome(await system.bus.connect("alice"), told["id"])
    assert answer["response"].startswith("echo: Why is the sky blue?")


async def test_the_answer_is_its_askers_alone(system):
    """Bob holds Alice's id, and her key: neither tells him anything of hers."""
    alice, bob = await system.bus.connect("alice"), await system.bus.connect("bob")
    _, told = await ask(alice, **LATER)
    event, error = await look_up(bob, told["id"])
    assert (event, error["error"]["code"]) == ("error", "not_found")
    _, of_bob = await ask(bob, **LATER)
    assert of_bob["id"] != told["id"]
    await outcome(alice, told["id"])
    event, _ = await look_up(bob, told["id"])
    assert event == "error"


async def test_a_value_that_is_not_known_is_named(system):
    """The header is refused by its name, and nothing is asked of the model."""
    alice = await system.bus.connect("alice")
    event, error = await ask(alice, **{"Chat-Respond": "tomorrow"})
    assert (event, error["error"]["code"]) == ("error", "invalid_header")
    assert error["error"]["param"] == "Chat-Respond"
    assert await system.model.prompts() == []
