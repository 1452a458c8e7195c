"""Which requests the filter records in the log of what happened, and what it says of them."""

import json
from uuid import UUID

import pytest

from harness.filter.deciding import ID, NOW, SCANS, WORDS, Deciding, FakeScanners
from stile_contracts import subjects
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import ErrorReply
from stile_filter.errors import UnavailableError
from stile_filter.guard.decide import Finding, State
from stile_filter.store import StoredMessage
from stile_filter.transport.reply import to_json

SECRET = "SECRET"


@pytest.fixture
def deciding(tmp_path):
    """A filter in memory, by the given policy."""

    def make(policy=WORDS, scanners=None):
        file = tmp_path / "policy.yml"
        file.write_text(policy)
        return Deciding(file, scanners=scanners)

    return make


async def test_a_refusal_is_recorded_with_its_rule_and_without_a_text(deciding):
    """The view says how the word was written; the texts are nowhere."""
    system = deciding()
    body = {"prompt": f"{SECRET} d4rn", "refusal_message": SECRET, "model": SECRET}
    await system.gateway(body)
    [record] = system.records
    assert (record.outcome, record.rule, record.place) == ("refused", "rude", "prompt")
    assert record.view is not None
    assert (record.client, record.lane, record.attempt) == ("http-127-0-0-1", "interactive", 0)
    assert SECRET not in record.model_dump_json()


async def test_the_model_of_a_refused_request_is_recorded_if_a_worker_has_it(deciding):
    """Its name is the worker's; any other name may be a text."""
    system = deciding()
    system.lives("SmolLM2")
    await system.gateway({"prompt": "darn", "model": "smollm2"})
    assert [record.model for record in system.records] == ["SmolLM2"]


async def test_what_is_approved_is_the_workers_to_record(deciding):
    """The filter writes nothing about it, and nothing about its repeat either."""
    system = deciding()
    await system.gateway({"prompt": "hello"})
    await system.gateway({"prompt": "hello"})
    assert system.outcomes[0] == "accepted"
    assert not system.records.written


async def test_a_repeat_of_a_refused_request_is_recorded_once(deciding):
    """The stored refusal is sent again; the record stays the first one."""
    system = deciding()
    await system.direct({"prompt": "darn"}, Chat_Key="k")
    written = system.records.written
    await system.direct({"prompt": "darn"}, Chat_Key="k")
    assert (written, system.records.written) == (1, 1)


@pytest.mark.parametrize(
    ("body", "changed", "outcome"),
    [
        ({"prompt": 7}, {}, "invalid_request"),
        ({"prompt": "hello", "model": "other"}, {}, "model_not_found"),
        ({"prompt": "hello"}, {"Chat_Deadline": str(int(NOW * 1000) - 1)}, "deadline_exceeded"),
    ],
)
async def test_an_error_is_recorded_by_its_code(deciding, body, changed, outcome):
    """These requests have ended, too."""
    system = deciding()
    system.lives("SmolLM2")
    await system.gateway(body, **changed)
    assert [record.outcome for record in system.records] == [outcome]


async def test_a_scanner_that_fails_is_named(deciding):
    """The owner sees which rule keeps requests from passing."""
    system = deciding(SCANS, FakeScanners(Finding("Word", 0, State.ERROR), failure=State.ERROR))
    await system.gateway({"prompt": "hello"})
    [record] = system.records
    assert (record.outcome, record.rule) == ("filter_error", "Word")


@pytest.mark.parametrize(
    ("failure", "outcomes"), [(RuntimeError("defect"), ["internal"]), (UnavailableError("bus"), [])]
)
async def test_a_defect_is_recorded_and_a_bus_that_is_away_is_not(deciding, failure, outcomes):
    """After a defect the request has ended; while the bus is away, its requester repeats it."""
    system = deciding()
    system.store.fails, system.store.fails_at = failure, "approve"
    await system.gateway({"prompt": "hello"})
    assert [record.outcome for record in system.records] == outcomes


async def test_another_request_under_the_same_key_leaves_the_record_alone(deciding):
    """The record of an id is that of the request that has the id."""
    system = deciding()
    await system.direct({"prompt": "darn"}, Chat_Key="k")
    await system.direct({"prompt": json.dumps({})}, Chat_Key="k")
    assert system.outcomes[-1] == "key_conflict"
    assert [record.outcome for record in system.records] == ["refused"]


async def test_a_request_that_was_cancelled_while_it_was_checked_is_recorded_as_cancelled(deciding):
    """Its result was there first; nobody else will record it."""
    system = deciding(SCANS, FakeScanners(Finding("Word", 0, State.REFUSE)))
    store = system.store
    body = to_json(ErrorReply.of(ErrorCode.CANCELLED, "x"))

    def cancelled():
        store.results[subjects.result("http-127-0-0-1", UUID(ID))] = StoredMessage({}, body)

    store.before["store_result"] = cancelled
    await system.gateway({"prompt": "hello"})
    assert [record.outcome for record in system.records] == ["cancelled"]
