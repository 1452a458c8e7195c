"""The log of what happened: what real parts write into it, and what the owner's commands show of it."""

import asyncio
import json
import os
import subprocess
import time
from uuid import UUID

import httpx
import pytest

from harness.processes.process import BIN
from harness.processes.wait import until
from stile.keys import credentials
from stile_contracts import subjects
from stile_runtime.console_client import ConsoleClient, ConsoleError

SECRET = "the user's own words"
RUDE = "what the fuck"
ANSWER = "a part of the answer"
NAME = "http-127-0-0-1"


@pytest.fixture
async def system(start_system):
    """Every part, before a fast model."""
    return await start_system()


@pytest.fixture
async def http(system):
    """An HTTP client."""
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as client:
        yield client


async def records(system, **options):
    """Return the records by their ids."""
    asked = ConsoleClient(await system.bus.connect("console"))
    return {record.id: record async for record in asked.records(**options)}


async def recorded(system, count):
    """Wait until the log has so many records; return them by their ids."""

    async def has():
        found = await records(system)
        return found if len(found) >= count else None

    found = await until(has, what=f"{count} records")
    assert len(found) == count
    return found


async def ask(http, prompt, **options):
    answer = await http.post("/chat", json={"prompt": prompt}, **options)
    return answer, UUID(answer.json().get("id") or answer.json()["error"]["id"])


async def stile(system, *arguments, code=0):
    """Run a command as the console's user; return what it printed."""
    environment = {
        **os.environ,
        "STILE_NATS_URL": system.bus.url,
        "STILE_NATS_NKEY_FILE": str(credentials.seed_file(system.bus.seeds, "console")),
    }
    child = await asyncio.create_subprocess_exec(
        BIN / "stile", *arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await asyncio.wait_for(child.communicate(), 120)
    assert child.returncode == code, err.decode()
    return (out if code == 0 else err).decode()


async def test_each_request_has_one_record_and_no_text(system, http):
    """Answered, refused, and an answer that was refused: who, how, how long, how much; a repeat adds none."""
    began = int(time.time() * 1000)
    await system.model.says(ANSWER)
    key = {"Idempotency-Key": "k"}
    _, answered = await ask(http, SECRET, headers=key)
    _, refused = await ask(http, f"{SECRET} {RUDE}")
    await system.model.says(f"{ANSWER} {RUDE}")
    _, checked = await ask(http, f"{SECRET}!")
    again, same = await ask(http, SECRET, headers=key)
    assert (again.status_code, same) == (200, answered)

    found = await recorded(system, 3)
    one = found[answered]
    assert (one.outcome, one.part, one.client, one.lane) == ("answered", "consumer", NAME, "interactive")
    assert (one.model, one.attempt) == ("standin", 1)
    assert one.prompt_tokens
    assert one.answer_tokens
    assert one.wait_seconds is not None
    assert one.answer_seconds is not None
    assert began <= one.at_ms <= time.time() * 1000
    one = found[refused]
    assert (one.outcome, one.part, one.place, one.attempt) == ("refused", "filter", "prompt", 0)
    assert one.rule
    assert one.view
    one = found[checked]
    assert (one.outcome, one.part, one.place, one.attempt) == ("refused", "consumer", "answer", 1)
    assert one.rule
    for record in found.values():
        body = record.model_dump_json()
        assert not any(text in body for text in (SECRET, "fuck", ANSWER))


async def test_the_log_is_on_the_disk_without_a_text(system, http):
    """Not even in the stream's own files."""
    await system.model.says(ANSWER)
    await ask(http, f"{SECRET} {RUDE}")
    await ask(http, SECRET)
    await recorded(system, 2)
    files = [path for path in system.bus.folder.rglob("CHAT_LOG/**/*") if path.is_file()]

    def is_written():
        return any(b"chat.log." in path.read_bytes() for path in files)

    await until(is_written, what="nats-server has written it")
    content = b"".join(path.read_bytes() for path in files)
    assert not any(text.encode() in content for text in (SECRET, "fuck", ANSWER))


async def test_cancelled_and_late_requests_have_their_record(system, http):
    """The worker's of what it had, the filter's of what only waited."""
    await system.model.speed(400, 0.05)
    running = asyncio.create_task(http.post("/chat", json={"prompt": "first"}))
    await until(system.model.prompts, what="the model is at it")
    waiting = await http.post("/chat", json={"prompt": "second"}, headers={"Prefer": "respond-async"})
    late = await http.post(
        "/chat", json={"prompt": "third"}, headers={"Prefer": "respond-async", "Stile-Timeout": "6s"}
    )
    deadline = time.time() + 6
    waits, passes = UUID(waiting.json()["id"]), UUID(late.json()["id"])
    asked = ConsoleClient(await system.bus.connect("console"))
    [runs] = (await asked.queue()).running
    assert (await asked.cancel(NAME, waits)).hit == "waiting"
    await until(lambda: time.time() > deadline, what="the third is late")
    assert (await asked.cancel(NAME, runs.id)).hit == "running"
    assert (await running).json()["error"]["code"] == "cancelled"
    found = await recorded(system, 3)
    assert {chat_id: (record.outcome, record.part, record.attempt) for chat_id, record in found.items()} == {
        runs.id: ("cancelled", "consumer", 1),
        waits: ("cancelled", "filter", 0),
        passes: ("deadline_exceeded", "consumer", 1),
    }
    assert found[runs.id].answer_seconds > 0
    assert found[passes].answer_seconds is None


async def test_a_request_whose_worker_was_killed_has_the_record_of_the_last_attempt(system, http):
    """What the first worker did is not in the log; how often the request was begun is."""
    await system.model.speed(100, 0.05)
    asked = asyncio.create_task(ask(http, "hello"))
    await until(system.model.prompts, what="the model is at it")
    system.parts["consumer"].kill()
    await system.model.speed(3, 0.0)
    system.start_part("consumer")
    answer, chat_id = await asked
    assert answer.status_code == 200
    found = await recorded(system, 1)
    assert (found[chat_id].outcome, found[chat_id].attempt) == ("answered", 2)


async def test_without_the_stream_nothing_else_suffers(system, http):
    """Requests are answered and refused as before; the log says that it is not there, and comes back."""
    admin = (await system.bus.connect("provisioner")).jetstream()
    config = (await admin.stream_info(subjects.LOG_STREAM)).config
    await admin.delete_stream(subjects.LOG_STREAM)
    answer, _ = await ask(http, "hello")
    refusal, _ = await ask(http, RUDE)
    assert (answer.json()["refused"], refusal.json()["refused"]) == (False, True)
    with pytest.raises(ConsoleError, match="CHAT_LOG"):
        await records(system)
    await admin.add_stream(config)
    _, chat_id = await ask(http, "hello")
    assert chat_id in await recorded(system, 1)


async def test_the_log_outlives_a_restart_of_nats_server(system, http):
    """A stop writes everything; only a kill may lose the last records."""
    _, chat_id = await ask(http, "hello")
    await recorded(system, 1)
    await system.bus.restart()
    await system.ready()
    assert chat_id in await records(system)


async def test_records_are_read_by_time_and_client(system):
    """In batches, the oldest first; a record of a later version that cannot be read is left out."""
    writer = await system.bus.connect("filter")
    count = 2500
    for number in range(count):
        client, at = ("alice", "bob")[number % 2], 1_000_000 + number
        body = {"id": str(UUID(int=number)), "at_ms": at, "client": client, "lane": "batch"}
        body |= {"outcome": "refused", "attempt": 0, "part": "filter"}
        await writer.publish(subjects.log(client, UUID(int=number)), json.dumps(body).encode())
    await writer.publish(subjects.log("alice", UUID(int=count)), b'{"later": 1}')
    await writer.flush()
    admin = (await system.bus.connect("provisioner")).jetstream()

    async def are_stored():
        return (await admin.stream_info(subjects.LOG_STREAM)).state.messages == count + 1

    await until(are_stored, what="all are in the stream")
    asked = ConsoleClient(await system.bus.connect("console"))
    found = [record async for record in asked.records()]
    assert [record.at_ms for record in found] == [1_000_000 + number for number in range(count)]
    found = [record async for record in asked.records(of_client="bob")]
    assert (len(found), {record.client for record in found}) == (count // 2, {"bob"})
    assert [record async for record in asked.records(since_ms=int(time.time() * 1000) + 60_000)] == []
    assert [record async for record in asked.records(of_client="carol")] == []


async def test_the_commands_show_who_was_refused_and_who_used_how_much(system, http):
    """As tab-separated lines, and as JSON; whole names; no text."""
    await ask(http, "hello")
    _, chat_id = await ask(http, f"{SECRET} {RUDE}")
    found = await recorded(system, 2)
    heading, row = (await stile(system, "refusals")).splitlines()
    named = dict(zip(heading.split("\t"), row.split("\t"), strict=True))
    assert (named["client"], named["id"], named["rule"]) == (NAME, str(chat_id), found[chat_id].rule)
    [row] = json.loads(await stile(system, "refusals", "--json", "--client", NAME, "--rule", named["rule"]))
    assert (row["id"], row["place"]) == (str(chat_id), "prompt")
    assert json.loads(await stile(system, "refusals", "--json", "--client", "bob")) == []
    assert json.loads(await stile(system, "refusals", "--json", "--rule", "other")) == []
    assert "12h" in await stile(system, "refusals", "--since", "soon", code=2)
    [row] = json.loads(await stile(system, "usage", "--json"))
    tokens = sum((one.prompt_tokens or 0) + (one.answer_tokens or 0) for one in found.values())
    assert row["client"] == NAME
    assert (row["requests_today"], row["refused_today"], row["tokens_week"]) == (2, 1, tokens)
    assert tokens > 0
