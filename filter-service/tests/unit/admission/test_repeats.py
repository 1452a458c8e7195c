"""What was asked before, over streams in memory: it has one place and one outcome."""

import asyncio
import json
from uuid import UUID

from harness.filter.deciding import DIRECT_INBOX, ID, NOW, SCANS, Deciding, error_of
from harness.processes.wait import until
from stile_contracts import headers, ids
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import ErrorReply, Reply
from stile_filter.guard.decide import ScanResult, State
from stile_filter.store import StoredMessage


async def test_a_repeat_from_the_gateway_is_accepted_again(system):
    """While the first waits, a repeat is told so, and CHAT holds one message."""
    await system.gateway({"prompt": "hi"})
    [said] = await system.gateway({"prompt": "hi"})
    assert said.headers["Chat-Event"] == "accepted"
    assert len(system.store.chat) == 1


async def test_another_body_under_the_same_id_is_a_conflict(system):
    """The stored message's digest tells a repeat from another request."""
    await system.gateway({"prompt": "hi"})
    assert error_of(await system.gateway({"prompt": "ho"})).code is ErrorCode.KEY_CONFLICT


async def test_a_direct_repeat_is_in_progress(system):
    """Under its key a direct client's second request hears that the first one runs."""
    await system.direct({"prompt": "hi"}, Chat_Key="k")
    error = error_of(await system.direct({"prompt": "hi"}, f"{DIRECT_INBOX}2", Chat_Key="k"))
    assert error.code is ErrorCode.IN_PROGRESS
    assert str(error.id) == str(ids.keyed_id("alice", "k"))


async def test_a_repeat_that_is_answered_later_is_accepted(system):
    """Whoever lost its `accepted` gets it again; the first one goes on hearing of its place."""
    await system.direct({"prompt": "first"})
    await system.direct({"prompt": "hi"}, Chat_Key="k", Chat_Events="state")
    [said] = await system.direct({"prompt": "hi"}, f"{DIRECT_INBOX}2", Chat_Key="k", Chat_Respond="later")
    assert (said.subject, said.headers["Chat-Event"]) == (f"{DIRECT_INBOX}2", "accepted")
    assert json.loads(said.body)["position"] == 1
    first, second = system.store.chat
    assert second.endswith(said.headers["Chat-Id"])
    system.queue.cancelled("alice", UUID(first.rsplit(".", maxsplit=1)[-1]))
    [moved] = system.queue.messages()
    assert (moved.subject, json.loads(moved.body)["position"]) == (DIRECT_INBOX, 0)


async def test_what_was_stored_and_not_confirmed_is_no_repeat(system):
    """Published again after a lost confirmation, a direct client's request meets itself: it is accepted."""
    await system.direct({"prompt": "hi"}, Chat_Key="k", Chat_Events="state")
    [said] = await system.direct({"prompt": "hi"}, Chat_Key="k", Chat_Events="state")
    assert said.headers["Chat-Event"] == "accepted"


async def test_a_key_has_one_place_in_all_lanes(system):
    """The same key in another lane is the same request: it runs once."""
    await system.direct({"prompt": "hi"}, Chat_Key="k")
    again = await system.direct({"prompt": "hi"}, f"{DIRECT_INBOX}2", Chat_Key="k", Chat_Lane="batch")
    error = error_of(again)
    assert error.code is ErrorCode.IN_PROGRESS
    assert len(system.store.chat) == 1


async def test_a_key_finds_its_outcome(system):
    """A repeat under a key gets what is stored, byte for byte; another body under it is a conflict."""
    [first] = await system.direct({"prompt": "darn"}, Chat_Key="k")
    [again] = await system.direct({"prompt": "darn"}, Chat_Key="k")
    assert (again.body, again.headers["Chat-Event"]) == (first.body, "done")
    assert error_of(await system.direct({"prompt": "hi"}, Chat_Key="k")).code is ErrorCode.KEY_CONFLICT
    assert system.outcomes == ["refused", "repeated", "key_conflict"]


async def test_a_stored_error_is_an_error_again(system):
    """An outcome that is an error keeps its ADR-32 headers and its attempt."""
    body = b'{"prompt":"hi"}'
    chat_id = ids.keyed_id("alice", "k")
    stored = ErrorReply.of(ErrorCode.MODEL_FAILED, "it failed", chat_id=chat_id).model_dump_json().encode()
    system.store.results[f"chat.result.alice.{chat_id}"] = StoredMessage(
        {headers.CHAT_BODY_SHA256: ids.body_sha256(body), "Chat-Attempt": "2", "Chat-Seq": "5"}, stored
    )
    said = await system.direct(body, Chat_Key="k")
    assert error_of(said).code is ErrorCode.MODEL_FAILED
    assert (said[0].headers["Chat-Attempt"], said[0].headers["Chat-Seq"]) == ("2", "5")


async def test_the_second_of_two_outcomes_is_what_the_first_was(system):
    """A refusal that finds an outcome stored replies with that one."""
    earlier = Reply(response="Blue.", id=UUID(ID)).model_dump_json().encode()
    digest = ids.body_sha256(json.dumps({"prompt": "darn"}).encode())
    system.store.results[f"chat.result.http-127-0-0-1.{ID}"] = StoredMessage(
        {"Chat-Body-SHA256": digest}, earlier
    )
    [said] = await system.gateway({"prompt": "darn"})
    assert said.body == earlier


async def test_a_client_with_too_many_learns_what_was_stored(policy_file):
    """A repeat of what is answered, or waits where another filter put it, takes no place."""
    system = Deciding(policy_file("limits: {max_waiting_per_client: 1}\n"))
    body = {"prompt": "hi"}
    digest = {"Chat-Body-SHA256": ids.body_sha256(json.dumps(body).encode())}
    answer = Reply(response="Blue.", id=UUID(ID)).model_dump_json().encode()
    system.store.results[f"chat.result.http-127-0-0-1.{ID}"] = StoredMessage(digest, answer)
    elsewhere = ID[:-1] + "7"
    system.store.hold(f"chat.approved.interactive.http-127-0-0-1.{elsewhere}", digest)
    await system.gateway(body, Chat_Id=ID[:-1] + "2")
    [answered] = await system.gateway(body)
    [accepted] = await system.gateway(body, Chat_Id=elsewhere)
    assert (answered.body, accepted.headers["Chat-Event"]) == (answer, "accepted")


async def test_a_deadline_that_passed_after_the_approval(system):
    """What CHAT holds is the workers' to settle: a late repeat is told that it is accepted, as it is."""
    await system.gateway({"prompt": "hi"})
    system.now = NOW + 61
    [said] = await system.gateway({"prompt": "hi"})
    assert said.headers["Chat-Event"] == "accepted"
    assert system.store.results == {}


async def test_an_approval_outweighs_a_scanners_bad_moment(policy_file):
    """What CHAT holds already was approved before; a repeat whose scan fails is accepted all the same."""
    system = Deciding(policy_file(SCANS))
    await system.gateway({"prompt": "hi"})
    system.scanners.says = ScanResult((), State.TIMEOUT)
    [said] = await system.gateway({"prompt": "hi"})
    assert said.headers["Chat-Event"] == "accepted"


async def test_a_repeat_while_the_first_is_scanned_is_not_scanned_again(policy_file):
    """The gateway repeats what it has heard nothing of; a slow scan is made once, and both are answered."""
    system = Deciding(policy_file(SCANS))
    system.scanners.gate.clear()
    first = asyncio.create_task(system.gateway({"prompt": "hi"}))
    await until(lambda: system.scanners.asked)
    second = asyncio.create_task(system.gateway({"prompt": "hi"}))
    await until(lambda: system.handler._in_flight)
    system.scanners.says = ScanResult((), State.ERROR)
    system.scanners.gate.set()
    assert error_of(await first).code is ErrorCode.FILTER_ERROR
    assert await second == await first
    assert len(system.scanners.asked) == 1
