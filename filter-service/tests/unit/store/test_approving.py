"""Approving while a cluster chooses a leader: a message that may be stored is no ``queue_full``."""

from types import SimpleNamespace

import pytest

from harness.filter.waiting_request import HEADERS, SUBJECT
from stile_filter.errors import RefusedError, UnconfirmedError
from stile_filter.store import jetstream
from stile_filter.store.jetstream import JetStreamStore
from stile_filter.store.protocol import Approval

ELECTION_SECONDS = 20.0
TAKEN = 10077
"""nats-server's number for a subject that is taken, and for a stream that is full."""


class Electing(JetStreamStore):
    """A store whose first publish waits for a leader, and whose subject is taken by then.

    Args:
        readable_after: how many reads find nothing, as the message has not reached the leader yet.
    """

    def __init__(self, monkeypatch, readable_after):
        super().__init__(lambda: None)
        self.now = 1000.0
        self.reads = 0
        self.readable_after = readable_after
        monkeypatch.setattr(jetstream, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(jetstream, "_LOOK_AGAIN_SECONDS", 0)

    async def call(self, _call):
        self.now += 0.1 if self.reads else ELECTION_SECONDS
        raise RefusedError("maximum messages per subject exceeded", TAKEN)

    async def _get(self, *_args, **_kwargs):
        self.reads += 1
        return "the request" if self.reads > self.readable_after else None

    async def _is_full(self, _size):
        return False


async def test_what_was_stored_during_an_election_is_taken(monkeypatch):
    """However long it took to choose a leader, the message still has its second to be readable."""
    store = Electing(monkeypatch, readable_after=3)
    assert await store.approve(SUBJECT, b"{}", HEADERS) is Approval.TAKEN


async def test_a_queue_with_room_is_never_full(monkeypatch):
    """If the filter cannot know, it does not answer, and the requester sends the request again."""
    store = Electing(monkeypatch, readable_after=10_000)
    with pytest.raises(UnconfirmedError):
        await store.approve(SUBJECT, b"{}", HEADERS)
