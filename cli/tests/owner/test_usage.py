"""What `stile usage` adds up."""

from uuid import UUID

from stile.commands.owner import usage
from stile_contracts.messages import LogRecord
from stile_contracts.subjects import Lane

MIDNIGHT = 1_800_000_000_000


def record(client, at_ms, outcome="answered", **facts):
    return LogRecord(
        id=UUID(int=at_ms),
        at_ms=at_ms,
        client=client,
        lane=Lane.INTERACTIVE,
        outcome=outcome,
        attempt=1,
        part="consumer",
        **facts,
    )


def test_each_client_has_a_row_for_today_and_the_week():
    """Yesterday counts for the week; tokens of prompt and answer; errors count as requests."""
    records = [
        record("bob", MIDNIGHT, prompt_tokens=10, answer_tokens=5, answer_seconds=1.25),
        record("alice", MIDNIGHT - 1, prompt_tokens=1, answer_tokens=2, answer_seconds=0.5),
        record("bob", MIDNIGHT + 1, "refused"),
        record("bob", MIDNIGHT - 1, "model_failed", answer_seconds=2.0),
    ]
    alice, bob = usage.rows(records, MIDNIGHT)
    assert list(bob.values()) == ["bob", 2, 1, 15, 1.2, 3, 1, 15, 3.2]
    assert list(alice.values()) == ["alice", 0, 0, 0, 0.0, 1, 0, 3, 0.5]
    assert list(bob) == list(alice)


def test_without_records_there_are_no_rows():
    """An empty log is no error."""
    assert usage.rows([], MIDNIGHT) == []
