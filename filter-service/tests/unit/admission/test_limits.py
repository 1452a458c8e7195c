"""The use case over streams in memory: limits, a full queue, a client with too many, deadlines."""

import asyncio
import json

import pytest

from harness.filter.deciding import ID, NOW, SCANS, Deciding, calling, error_of, tool
from harness.filter.store import FakeStore
from harness.processes.wait import until
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import Stage
from stile_filter.guard.decide import ScanResult, State


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": "123456"}, "prompt"),
        ({"messages": [{"role": "user", "content": "1234567"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "1"}] * 3}, "messages"),
        ({"messages": [calling("123", '{"":1}')]}, "messages[0].tool_calls"),
        ({"prompt": "1", "tools": [tool("a")]}, "tools[0]"),
        ({"prompt": "1", "response_format": {"type": "text"}}, "response_format"),
    ],
)
async def test_beyond_the_limits_is_an_error(policy_file, body, param):
    """Nothing is cut: what is too long is told, with the field."""
    system = Deciding(policy_file("limits: {prompt_chars: 5, message_chars: 6, messages: 2}\n"))
    error = error_of(await system.gateway(body))
    assert (error.code, error.param) == (ErrorCode.TOO_LARGE, param)


async def test_a_full_queue_says_when_to_come_back(policy_file):
    """CHAT's limit is an error of the moment, with the consumers' own time."""
    system = Deciding(policy_file(""), store=FakeStore(places=0))
    system.worker(7.0)
    error = error_of(await system.gateway({"prompt": "hi"}))
    assert (error.code, error.retry_after, error.final) == (ErrorCode.QUEUE_FULL, 7.0, False)


async def test_accepted_says_what_is_before(system):
    """The place in the queue, and how long that takes the workers there are."""
    system.worker(20.0)
    [first] = await system.gateway({"prompt": "hi"}, Chat_Id=ID[:-1] + "2")
    [second] = await system.gateway({"prompt": "hi"}, Chat_Id=ID[:-1] + "3", Chat_Client="http-other")
    assert json.loads(first.body) == {"id": ID[:-1] + "2", "position": 0, "estimate_seconds": 0.0}
    assert json.loads(second.body) == {"id": ID[:-1] + "3", "position": 1, "estimate_seconds": 20.0}


async def test_a_client_with_too_many_is_told_when_to_come_back(policy_file):
    """The policy's limit for one client: a repeat and other clients are let in, a new one not."""
    system = Deciding(policy_file("limits: {max_waiting_per_client: 2}\n"))
    system.worker(7.0)
    for number in "23":
        await system.gateway({"prompt": "hi"}, Chat_Id=ID[:-1] + number)
    error = error_of(await system.gateway({"prompt": "hi"}, Chat_Id=ID[:-1] + "4"))
    # The first of them is begun at once, as a worker is idle.
    assert (error.code, error.retry_after, error.final) == (ErrorCode.CLIENT_QUEUE_FULL, 1.0, False)
    [repeated] = await system.gateway({"prompt": "hi"}, Chat_Id=ID[:-1] + "3")
    [other] = await system.gateway({"prompt": "hi"}, Chat_Id=ID[:-1] + "5", Chat_Client="http-other")
    assert [said.headers["Chat-Event"] for said in (repeated, other)] == ["accepted", "accepted"]
    assert len(system.store.chat) == 3


async def test_a_burst_of_one_client_is_bounded(policy_file):
    """Those that are being checked count, so no burst gets past; what ends gives its place back."""
    system = Deciding(policy_file(SCANS + "limits: {max_waiting_per_client: 3}\n"))
    system.scanners.gate.clear()
    asked = [
        asyncio.create_task(system.gateway({"prompt": f"{number}"}, Chat_Id=f"{ID[:-2]}{number:02}"))
        for number in range(10)
    ]
    await until(lambda: len(system.outcomes) == 7)
    system.scanners.says = ScanResult((), State.ERROR)
    system.scanners.gate.set()
    codes = [error_of(said).code for said in await asyncio.gather(*asked)]
    assert codes == [ErrorCode.FILTER_ERROR] * 3 + [ErrorCode.CLIENT_QUEUE_FULL] * 7
    system.scanners.says = ScanResult(())
    [said] = await system.gateway({"prompt": "hi"})
    assert said.headers["Chat-Event"] == "accepted"


@pytest.mark.parametrize("passes", ["before the scan", "while it is scanned"])
async def test_a_deadline_that_has_passed(policy_file, passes):
    """Nothing is approved; the outcome is stored, says where it was, and a repeat hears the same."""
    system = Deciding(policy_file(SCANS))
    if passes == "before the scan":
        system.now = NOW + 60
        [said] = await system.gateway({"prompt": "hi"})
        assert system.scanners.asked == []
    else:
        system.scanners.gate.clear()
        asked = asyncio.create_task(system.gateway({"prompt": "hi"}))
        await until(lambda: system.scanners.asked)
        system.now = NOW + 60
        system.scanners.gate.set()
        [said] = await asked
    error = error_of([said])
    assert (error.code, error.stage, error.final) == (ErrorCode.DEADLINE_EXCEEDED, Stage.FILTER, True)
    assert system.store.chat == {}
    assert system.store.results[f"chat.result.http-127-0-0-1.{ID}"].body == said.body
    [again] = await system.gateway({"prompt": "hi"})
    assert (again.body, system.outcomes) == (said.body, ["deadline_exceeded", "repeated"])
