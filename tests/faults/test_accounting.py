"""The accounting can fail: each thing that must not be is found where it is."""

from pathlib import Path

import pytest

from faults.accounting import Account, Generation, generations
from faults.breaking import Fault, Kind
from faults.ledger import Ledger, Way
from harness.nats.results import Stored


@pytest.fixture
def ledger():
    """One request, answered."""
    ledger = Ledger("run")
    asked = ledger.ask(Way.HTTP, "http-a")
    asked.accept(str(asked.chat_id))
    asked.learn("answer", text(asked), str(asked.chat_id))
    return ledger


def text(asked):
    return f"echo: {asked.prompt} word"


def outcome(asked, response):
    return Stored(asked.client, asked.chat_id, {"response": response, "refused": False})


def generation(asked, started, *, most_open=1):
    return Generation("model", asked.prompt, started, started + 1, most_open)


def account(ledger, *, faults=(), stored=None, done=()):
    [asked] = ledger.asked
    stored = [outcome(asked, text(asked))] if stored is None else stored
    return Account(ledger, list(faults), stored, list(done))


def test_all_is_well(ledger):
    """One outcome, learned, generated once: nothing to say."""
    [asked] = ledger.asked
    assert account(ledger, done=[generation(asked, 10)]).wrong() == []


def test_a_lost_outcome_and_a_doubled_one(ledger):
    """Neither none nor two of them is one."""
    [asked] = ledger.asked
    stored = outcome(asked, text(asked))
    assert "has 0 outcomes" in account(ledger, stored=[]).wrong()[0]
    assert "has 2 outcomes" in account(ledger, stored=[stored, stored]).wrong()[0]


def test_a_client_that_learned_nothing(ledger):
    """It is stored, and its client does not know."""
    [asked] = ledger.asked
    asked.learned.clear()
    assert "learned nothing" in account(ledger).wrong()[0]


def test_anothers_text(ledger):
    """In the answer, in a stream, or what was learned is not what is stored."""
    [asked] = ledger.asked
    asked.streams += ["", "echo: ", f"echo: {asked.prompt} wo", f"echo: {asked.prompt} word word"]
    assert account(ledger).wrong() == []
    # Another's, a piece twice, a piece that is missing.
    for foreign in ("echo: another", f"echo: {asked.prompt} word word word wword", f"{asked.prompt} word"):
        asked.streams[:] = [foreign]
        [wrong] = account(ledger).wrong()
        assert "streamed another's text" in wrong
    asked.streams.clear()
    assert "not what is stored" in account(ledger, stored=[outcome(asked, "else")]).wrong()[0]
    asked.learned[:] = [("answer", "echo: another asks run-0 word")]
    assert any("another's text" in sentence for sentence in account(ledger).wrong())


def test_an_error_without_excuse(ledger):
    """A failed model is excused by a llama.cpp that was killed or cut off, and by nothing else."""
    [asked] = ledger.asked
    asked.learned[:] = [("error", "model_failed")]
    stored = [Stored(asked.client, asked.chat_id, {"error": {"code": "model_failed"}})]
    assert "no fault excuses" in account(ledger, stored=stored).wrong()[0]
    for kind in (Kind.LLAMA, Kind.LINK):
        assert account(ledger, stored=stored, faults=[Fault(kind)]).wrong() == []
    for kind in (Kind.NATS, Kind.NETWORK):
        assert account(ledger, stored=stored, faults=[Fault(kind)]).wrong()


def test_two_at_once(ledger):
    """A second request that was open at a model is told, even where it only waited for the slot."""
    [asked] = ledger.asked
    assert "2 requests were open" in account(ledger, done=[generation(asked, 10, most_open=2)]).wrong()[0]


def test_a_second_generation_needs_a_fault_between(ledger):
    """A worker's death between the two excuses it; one long before, or a filter's, does not."""
    [asked] = ledger.asked
    twice = [generation(asked, 100), generation(asked, 120)]
    assert "generated again" in account(ledger, done=twice).wrong()[0]
    assert account(ledger, done=twice, faults=[Fault(Kind.CONSUMER, at=105, over=106)]).wrong() == []
    assert account(ledger, done=twice, faults=[Fault(Kind.CONSUMER, at=50, over=51)]).wrong()
    assert account(ledger, done=twice, faults=[Fault(Kind.CONSUMER, at=130, over=131)]).wrong()
    assert account(ledger, done=twice, faults=[Fault(Kind.FILTER, at=105, over=106)]).wrong()


def test_a_stream_that_ends_without_a_word(ledger):
    """It is counted even where a repeat brought the answer."""
    ledger.silent_cuts = 1
    assert account(ledger).wrong() == ["1 streams ended without a last word"]


def test_a_killed_models_record_is_read(tmp_path: Path):
    """A start without an end is a generation too."""
    record = tmp_path / "model.jsonl"
    record.write_text('{"prompt": "a", "started": 1.0, "ended": null, "at": 5.0, "open": 1}\n')
    assert generations(record) == [Generation("model", "a", 5.0, None, 1)]
    assert generations(tmp_path / "none.jsonl") == []
