"""What `stile top` shows."""

from uuid import UUID

from stile.commands.owner import top
from stile_contracts.messages import QueuedRequest, QueueListing
from stile_contracts.subjects import Lane


def test_those_that_are_answered_come_first():
    """Then those that wait, in the order in which they will be answered; ids and names are whole."""
    long = "http-" + "x" * 59
    running = QueuedRequest(id=UUID(int=1), client=long, lane=Lane.BATCH, model="m", seconds=3.5)
    waiting = QueuedRequest(
        id=UUID(int=2), client="bob", lane=Lane.INTERACTIVE, position=1, estimate_seconds=2.5, seconds=8
    )
    queue = QueueListing(now_ms=0, held=False, running=[running], waiting=[waiting], waiting_count=1)
    first, second = top.rows(queue)
    assert list(first.values()) == ["answered", None, long, "batch", "m", 3.5, None, str(UUID(int=1))]
    assert list(second.values()) == [
        "waiting",
        1,
        "bob",
        "interactive",
        None,
        8.0,
        2.5,
        str(UUID(int=2)),
    ]
