"""A filter whose policy has rules for answers approves nothing for workers that have no answer checked."""

import pytest

from harness.filter.deciding import WORDS, Deciding, beat, error_of
from stile_runtime.fleet import ALIVE_SECONDS

REQUESTS_ALONE = WORDS.replace("phrases:", "applies_to: [prompt], phrases:")


def event(messages):
    return messages[0].headers["Chat-Event"]


@pytest.mark.parametrize("says", [None, False])
async def test_for_a_worker_that_ignores_the_check_nothing_is_approved(policy_file, says):
    """Any worker may get the next request. An earlier version says nothing; the error is not final."""
    system = Deciding(policy_file(WORDS))
    system.fleet.receive(beat("new"))
    system.fleet.receive(beat("old", checks_answers=says))
    error = error_of(await system.gateway({"prompt": "hi"}))
    assert (error.code, error.final) == ("filter_error", False)
    assert not system.store.chat


async def test_it_is_approved_once_that_worker_is_gone(policy_file):
    """Its heartbeat counts as long as it lives."""
    system = Deciding(policy_file(WORDS))
    system.fleet.receive(beat("old", checks_answers=None))
    assert event(await system.gateway({"prompt": "hi"})) == "error"
    system.monotonic += ALIVE_SECONDS + 0.1
    system.fleet.receive(beat("new"))
    assert event(await system.gateway({"prompt": "hi"})) == "accepted"


async def test_without_rules_for_answers_any_worker_will_do(policy_file):
    """Nothing is to be checked."""
    system = Deciding(policy_file(REQUESTS_ALONE))
    system.fleet.receive(beat("old", checks_answers=None))
    assert event(await system.gateway({"prompt": "hi"})) == "accepted"


async def test_what_was_approved_before_is_accepted_again(policy_file):
    """A repeat changes nothing for the worker."""
    system = Deciding(policy_file(WORDS))
    assert event(await system.gateway({"prompt": "hi"})) == "accepted"
    system.fleet.receive(beat("old", checks_answers=None))
    assert event(await system.gateway({"prompt": "hi"})) == "accepted"
    assert len(system.store.chat) == 1


async def test_a_refusal_needs_no_worker(policy_file):
    """Nor does a result that is stored."""
    system = Deciding(policy_file(WORDS))
    system.fleet.receive(beat("old", checks_answers=None))
    assert event(await system.gateway({"prompt": "darn"})) == "done"
