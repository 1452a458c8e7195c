"""What the owner asks the filters at the console, on real parts: the queue, a cancellation, a verdict."""

import asyncio
import json
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import nats.errors
import pytest

from harness.processes.wait import until
from stile_contracts import subjects
from stile_runtime.console_client import ConsoleClient, ConsoleError

NAME = "http-127-0-0-1"
RUDE = "what the fuck"


@pytest.fixture
async def system(start_system):
    """Every part, before a slow model."""
    return await start_system(tokens=400, token_seconds=0.05)


@pytest.fixture
async def http(system):
    """An HTTP client."""
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as client:
        yield client


@pytest.fixture
async def console(system):
    """The console's user."""
    return ConsoleClient(await system.bus.connect("console"))


async def later(http, prompt, **headers):
    answer = await http.post("/chat", json={"prompt": prompt}, headers={"Prefer": "respond-async", **headers})
    assert answer.status_code == 202, answer.text
    return UUID(answer.json()["id"])


async def test_the_queue_is_listed_and_one_is_cancelled(system, http, console):
    """Who is answered, who waits, in which order, how long; the owner may cancel anybody's."""
    first = await later(http, "first")
    await until(system.model.prompts, what="the model is at it")
    second = await later(http, "second", **{"Stile-Lane": "batch"})
    third = await later(http, "third")

    async def both_wait():
        queue = await console.queue()
        return queue if len(queue.waiting) == 2 and queue.running else None

    queue = await until(both_wait, what="both wait")
    [running] = queue.running
    assert (running.id, running.client, running.lane, running.model) == (
        first,
        NAME,
        "interactive",
        "standin",
    )
    assert [(one.id, one.lane, one.position) for one in queue.waiting] == [
        (third, "interactive", 1),
        (second, "batch", 2),
    ]
    assert (queue.held, queue.waiting_count) == (False, 2)
    assert (await console.cancel(NAME, third)).hit == "waiting"
    assert (await console.cancel(NAME, uuid4())).hit == "unknown"
    assert (await console.cancel(NAME, first)).hit == "running"

    async def the_last_runs():
        return [one.id for one in (await console.queue()).running] == [second]

    await until(the_last_runs, what="the last one is answered")


async def test_a_verdict_says_what_each_rule_says(console):
    """The policy in use: every rule, and where a word was found; nothing of it is recorded."""
    verdict = await console.verdict("hello")
    assert verdict.state == "allow"
    assert verdict.policy
    assert {rule.state for rule in verdict.rules} == {"allow"}
    verdict = await console.verdict(f"oh, {RUDE}!")
    assert verdict.state == "refuse"
    [hit] = [rule for rule in verdict.rules if rule.state == "refuse" and rule.action == "refuse"]
    start, end = hit.span
    assert "fuck" in f"oh, {RUDE}!"[start:end]
    assert hit.view
    assert [record async for record in console.records()] == []


async def test_a_policy_is_tried_before_it_is_used(system, console):
    """Its own words count, its tests are run, its faults are named by line; the one in use is the same."""
    before = (await console.verdict("x")).policy
    mine = "keywords:\n- {id: mine, category: mine, phrases: [zebra]}\n"
    verdict = await console.verdict("a zebra", mine)
    assert (verdict.state, verdict.faults) == ("refuse", [])
    assert [rule.rule for rule in verdict.rules if rule.state == "refuse"] == ["mine"]
    assert verdict.policy != before
    verdict = await console.verdict("a zebra", f"{mine}tests:\n  pass: [{{text: my zebra}}]\n")
    assert [fault.line for fault in verdict.faults] == [4]
    assert verdict.state == "refuse"
    verdict = await console.verdict("a zebra", "keywords:\n- {id: mine}\n")
    assert (verdict.state, verdict.policy) == (None, None)
    assert all(fault.line == 2 for fault in verdict.faults)
    assert (await console.verdict("a zebra")).state == "allow"
    assert (await console.verdict("x")).policy == before
    assert "zebra" not in (system.folder / "filter.log").read_text()


@pytest.mark.parametrize(
    "policy",
    [
        "keywords:\n- {id: x, category: x, files: [%s]}\n",
        "everyday_files: [%s]\n",
    ],
)
async def test_a_tried_policy_reads_no_other_files(system, console, policy):
    """What a file holds could be found out by trying texts: the seeds, for example."""
    for file in (Path("/etc/hostname"), system.bus.seeds / "filter.nk", Path("../credentials/filter.nk")):
        verdict = await console.verdict("x", policy % file)
        assert [fault.line for fault in verdict.faults] == [2 if "keywords" in policy else 1]
        assert verdict.state is None


async def test_a_tried_policy_starts_no_scanner(system, console):
    """A scanner is any class of any package, in a filter that holds the signing key."""
    made = system.folder / "made-by-a-scanner"
    verdict = await console.verdict(
        "x", f"input_scanners:\n- {{type: 'pathlib:Path.touch', params: {{self: '{made}'}}}}\n"
    )
    assert verdict.faults
    verdict = await console.verdict(
        "x", f"input_scanners:\n- {{type: 'subprocess:Popen', params: {{args: [touch, '{made}']}}}}\n"
    )
    assert "can't be tried" in verdict.faults[0].reason
    assert not made.exists()


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        (subjects.CONSOLE_VERDICT, b"no JSON"),
        (subjects.CONSOLE_VERDICT, json.dumps({"text": ""}).encode()),
        (subjects.CONSOLE_CANCEL, json.dumps({"client": "*", "id": str(UUID(int=0))}).encode()),
    ],
)
async def test_what_cannot_be_read_is_an_error(system, subject, body):
    """It names the field, and quotes nothing."""
    client = await system.bus.connect("console")
    answer = json.loads((await client.request(subject, body, timeout=10)).data)
    assert answer["error"]["code"] == "invalid_request"


@pytest.mark.parametrize(
    "reply", ["chat.approved.interactive.alice.x", "chat.hold", "_INBOX_filter.x", "_INBOX_gateway.x.y"]
)
async def test_a_reply_goes_to_the_console_alone(system, console, reply):
    """A request whose reply would go elsewhere is dropped: nothing is done."""
    client = await system.bus.connect("console")
    await client.publish(subjects.CONSOLE_HOLD, b"", reply=reply)
    await client.flush()
    assert not (await console.queue()).held


async def test_without_a_filter_the_console_says_so(system, console):
    """It does not wait for nothing."""
    await asyncio.to_thread(system.parts["filter"].stop)
    with pytest.raises(ConsoleError, match="no filter"):
        await console.queue()


async def test_the_console_reads_nothing_else(system):
    """Neither requests nor results: nats-server refuses it."""
    refused = []

    async def remember(error):
        refused.append(str(error))

    client = await system.bus.connect("console", error_cb=remember)
    for stream in ("CHAT", "CHAT_RESULT", "CHAT_DLQ", "CHAT_CONVERSATION"):
        with pytest.raises(nats.errors.TimeoutError):
            await client.request(f"$JS.API.DIRECT.GET.{stream}", b'{"seq":1}', timeout=0.5)
    assert len(refused) == 4
