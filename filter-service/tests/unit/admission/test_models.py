"""The use case over streams in memory: requests that name a model."""

import asyncio
import json

import pytest

from harness.filter.deciding import ID, SCANS, Deciding, error_of
from harness.processes.wait import until
from stile_contracts.errors import ErrorCode


async def test_a_request_that_names_a_model_is_for_its_workers(system):
    """The subject says which, whatever the case of the name; what is signed and told goes by lane and id."""
    system.lives("SmolLM2-135M", "Llama-3.2")
    [said] = await system.gateway({"prompt": "hi", "model": "LLAMA-3.2"})
    assert said.headers["Chat-Event"] == "accepted"
    [(subject, stored)] = system.store.chat.items()
    assert subject == f"chat.approved.interactive.http-127-0-0-1.{ID}.llama-3=2E2"
    assert json.loads(stored.body)["model"] == "LLAMA-3.2"
    assert system.queue.position(subject.rpartition(".")[0]).position == 0


@pytest.mark.parametrize("name", [None, "", "stile", "Stile"])
async def test_a_request_that_names_none_is_for_whichever_is_idle(system, name):
    """``stile`` is for clients that must put some name; no model is told of it."""
    system.lives("smollm2")
    await system.gateway({"prompt": "hi", "model": name})
    [(subject, stored)] = system.store.chat.items()
    assert subject == f"chat.approved.interactive.http-127-0-0-1.{ID}"
    assert "model" not in json.loads(stored.body)


@pytest.mark.parametrize("name", ["gpt-4o", "smollm-2", "x" * 200])
async def test_a_model_that_no_worker_has_is_not_found(policy_file, name):
    """Said before anything is scanned, with the models that there are; not final, as a worker may come."""
    system = Deciding(policy_file(SCANS))
    system.lives("smollm2", "Llama-3.2")
    error = error_of(await system.gateway({"prompt": "hi", "model": name}))
    assert (error.code, error.param, error.final) == (ErrorCode.MODEL_NOT_FOUND, "model", False)
    assert "Llama-3.2, smollm2" in error.message
    assert "stile" in error.message
    assert name not in error.message
    assert (system.scanners.asked, system.store.chat, system.store.results) == ([], {}, {})


async def test_a_model_is_waited_for_while_none_is_known(system):
    """Where all are just starting, the request waits for its worker."""
    [said] = await system.gateway({"prompt": "hi", "model": "smollm2"})
    assert said.headers["Chat-Event"] == "accepted"


async def test_a_worker_that_starts_again_still_owns_its_requests(system):
    """Its model counts for ten minutes after it was heard last, and then no more."""
    system.lives("smollm2")
    system.monotonic += 480
    system.lives("llama")
    await system.gateway({"prompt": "hi", "model": "smollm2"}, Chat_Id=ID[:-1] + "2")
    system.monotonic += 60
    error = error_of(await system.gateway({"prompt": "hi", "model": "smollm2"}))
    assert error.code is ErrorCode.MODEL_NOT_FOUND
    await system.gateway({"prompt": "hi", "model": "llama"})
    assert len(system.store.chat) == 2


async def test_who_has_just_begun_to_hear_workers_does_not_say_that_one_is_missing(system):
    """Of two workers one is heard first: what names the other waits for its heartbeat, and no longer."""
    system.lives("llama")
    system.monotonic -= 60  # the moment of that first heartbeat
    asking = asyncio.create_task(system.gateway({"prompt": "hi", "model": "smollm2"}))
    wrong = asyncio.create_task(system.gateway({"prompt": "hi", "model": "no"}, Chat_Id=ID[:-1] + "2"))
    await asyncio.sleep(0)
    system.lives("smollm2")
    [said] = await asking
    assert said.headers["Chat-Event"] == "accepted"
    assert error_of(await wrong).code is ErrorCode.MODEL_NOT_FOUND


async def test_what_was_approved_waits_although_its_model_is_gone(system):
    """A repeat takes what CHAT and CHAT_RESULT hold, whoever lives now."""
    system.lives("smollm2", "llama")
    body = {"prompt": "hi", "model": "smollm2"}
    await system.gateway(body)
    system.monotonic += 590
    system.lives("llama")
    [said] = await system.gateway(body)
    assert said.headers["Chat-Event"] == "accepted"
    assert system.outcomes == ["accepted", "repeated"]


@pytest.mark.parametrize("first", [None, "smollm2"])
@pytest.mark.parametrize("second", [None, "smollm2", "llama"])
async def test_a_key_has_one_place_whatever_the_model(system, first, second):
    """Another model under the key is another request, and a conflict; the same one is the first."""
    system.lives("smollm2", "llama")
    for name in (first, second):
        said = await system.direct({"prompt": "hi", "model": name}, Chat_Key="k", Chat_Events="state")
    assert len(system.store.chat) == 1
    if first == second:
        assert said[0].headers["Chat-Event"] == "accepted"
    else:
        assert error_of(said).code is ErrorCode.KEY_CONFLICT


async def test_two_models_under_one_key_at_once_are_one_request(policy_file):
    """Their subjects differ, so CHAT would take both: the second is decided after the first."""
    system = Deciding(policy_file(SCANS))
    system.lives("smollm2", "llama")
    system.scanners.gate.clear()
    asked = [
        asyncio.create_task(system.direct({"prompt": "hi", "model": name}, Chat_Key="k", Chat_Events="state"))
        for name in ("smollm2", "llama")
    ]
    await until(lambda: system.scanners.asked, what="the first is being scanned")
    system.scanners.gate.set()
    [accepted], refused = await asyncio.gather(*asked)
    assert accepted.headers["Chat-Event"] == "accepted"
    assert error_of(refused).code is ErrorCode.KEY_CONFLICT
    assert (len(system.store.chat), len(system.scanners.asked)) == (1, 1)
