"""`stile dlq` as people run it, on a real bus, and a retry before the whole system."""

import asyncio
import json
import os
import subprocess
import time
from uuid import uuid4

from harness.processes.process import BIN
from stile.keys import credentials
from stile_contracts import headers, ids, subjects
from stile_contracts.messages import ApprovedChat, ChatMessage, Output, Role, Sampling, Tool, ToolFunction

LANE = subjects.Lane.INTERACTIVE
SECRET = "the user's own words"


async def lay_aside(bus, *turns, client="alice", **parts):
    """Lay a request aside as a worker does; return its id."""
    chat_id = ids.new_id()
    chat = ApprovedChat(messages=[ChatMessage(role=role, content=text) for role, text in turns], **parts)
    worker = await bus.connect("consumer")
    await worker.jetstream().publish(
        subjects.dead(LANE, client, chat_id),
        chat.model_dump_json(exclude_none=True).encode(),
        headers={
            headers.CHAT_ID: str(chat_id),
            headers.CHAT_POLICY: "0123456789ab",
            headers.CHAT_ATTEMPT: "4",
            headers.CHAT_DEAD_REASON: "too_many_attempts",
            headers.CHAT_DEAD_AT: str(int(time.time() * 1000)),
            headers.NATS_EXPECTED_LAST_SUBJECT_SEQUENCE: "0",
        },
    )
    return chat_id


async def dlq(bus, *arguments, code=0):
    """Run the command as the provisioner; return what it printed."""
    environment = {
        **os.environ,
        "STILE_NATS_URL": bus.url,
        "STILE_NATS_NKEY_FILE": str(credentials.seed_file(bus.seeds, "provisioner")),
    }
    child = await asyncio.create_subprocess_exec(
        BIN / "stile",
        "dlq",
        *map(str, arguments),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(child.communicate(), 120)
    assert child.returncode == code, err.decode()
    return out.decode() if code == 0 else err.decode()


async def test_dead_letters_are_listed_without_their_text(bus):
    """All that is known of each, the oldest first, and nothing that a user wrote."""
    assert not await dlq(bus, "list")
    chat_ids = [str(await lay_aside(bus, (Role.USER, SECRET), client=name)) for name in ("alice", "bob")]
    listed = json.loads(await dlq(bus, "list", "--json"))
    assert [letter["id"] for letter in listed] == chat_ids
    assert [letter["client"] for letter in listed] == ["alice", "bob"]
    assert {(letter["reason"], letter["attempts"], letter["lane"]) for letter in listed} == {
        ("too_many_attempts", 4, "interactive")
    }
    table = await dlq(bus, "list")
    assert all(chat_id in table for chat_id in chat_ids)
    assert SECRET not in table + json.dumps(listed) + await dlq(bus, "show", chat_ids[0])


async def test_the_conversation_is_shown_where_it_is_asked_for(bus):
    """Whoever has to find out why it failed can read it."""
    chat_id = await lay_aside(bus, (Role.USER, SECRET))
    shown = await dlq(bus, "show", chat_id, "--text")
    assert f"id\t{chat_id}\n" in shown
    assert SECRET in shown


async def test_dead_letters_are_deleted_one_by_one_or_all(bus):
    """Never without a word which; what is gone is told as gone."""
    first, second, third = [await lay_aside(bus, (Role.USER, "Hi")) for _ in range(3)]
    assert "--all" in await dlq(bus, "drop", code=1)
    assert "1 deleted" in await dlq(bus, "drop", first)
    assert f"no dead letter {first}" in await dlq(bus, "drop", first, code=1)
    listed = json.loads(await dlq(bus, "list", "--json"))
    assert [letter["id"] for letter in listed] == [str(second), str(third)]
    assert "2 deleted" in await dlq(bus, "drop", "--all")
    assert not await dlq(bus, "list")


async def test_a_worker_lays_a_request_aside_once(bus):
    """A worker that dies behind it, and the filter, may both try: the first one stays."""
    chat_id = await lay_aside(bus, (Role.USER, "Hi"))
    worker = await bus.connect("consumer")
    again = await worker.request(
        subjects.dead(LANE, "alice", chat_id),
        b"{}",
        headers={headers.NATS_EXPECTED_LAST_SUBJECT_SEQUENCE: "0"},
        timeout=5,
    )
    assert json.loads(again.data)["error"]["err_code"] == 10071


async def test_without_a_bus_or_a_key_it_says_so(bus, monkeypatch):
    """One line, and the exit code 1."""
    assert "no dead letter" in await dlq(bus, "show", uuid4(), code=1)
    monkeypatch.setattr(bus, "url", "nats://127.0.0.1:1")
    assert "no bus on nats://127.0.0.1:1" in await dlq(bus, "list", code=1)
    monkeypatch.setattr(bus, "seeds", bus.folder / "nowhere")
    assert "no such file" in await dlq(bus, "list", code=1)


async def test_a_retry_is_a_new_request_that_the_filter_checks(start_system, tmp_path):
    """The conversation goes the whole way again, without the policy's own system prompt; then it is gone.

    One that fails stays: here a system message of the client's own, where the policy allows none.
    """
    policy = tmp_path / "forbidding.yml"
    policy.write_text("client_system: forbid\n")
    system = await start_system(settings={"STILE_POLICY": str(policy)})
    chat_id = await lay_aside(
        system.bus,
        (Role.SYSTEM, "The policy's own."),
        (Role.USER, "Why?"),
        sampling=Sampling(temperature=0.5, max_tokens=7),
        output=Output(tools=[Tool(type="function", function=ToolFunction(name="look"))]),
    )
    failed = await dlq(system.bus, "retry", chat_id, "--url", system.url, "--keep-system", code=1)
    assert "invalid_request" in failed
    assert await system.model.prompts() == []
    retry = ("retry", chat_id, "--url", system.url)
    assert "echo: Why?" in await dlq(system.bus, *retry, "--keep")
    [generation] = (await system.model.log())["generations"]
    assert generation["prompt"] == "Why?"
    assert str(chat_id) in await dlq(system.bus, "list")
    assert "echo: Why?" in await dlq(system.bus, *retry)
    assert await dlq(system.bus, "list") == ""  # in a pipe, nothing has no row
