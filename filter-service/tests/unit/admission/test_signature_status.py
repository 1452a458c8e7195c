"""A filter that the workers do not believe says so, and approves nothing."""

import pytest

from stile_contracts.messages import Heartbeat
from stile_filter.admission.signature_status import GRACE_SECONDS, SignatureStatus
from stile_filter.admission.signing import NoSigner
from stile_runtime.fleet import ALIVE_SECONDS, Fleet

OURS, THEIRS = "0123456789abcdef", "fedcba9876543210"


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self):
        return self.now


class Signer(NoSigner):
    """Signs with the key that a test says."""

    def __init__(self, key_id):
        self.key_id = key_id


def beat(name, keys, **more):
    return Heartbeat(part="consumer", instance=name, version="1", ready=True, approval_keys=keys, **more)


@pytest.fixture
def clock():
    """The time."""
    return Clock()


@pytest.mark.parametrize(
    ("signs", "believed", "is_believed"),
    [
        (OURS, [], True),
        (OURS, [[OURS]], True),
        (OURS, [[THEIRS, OURS], None], True),
        (OURS, [[THEIRS]], False),
        (OURS, [[]], False),
        (OURS, [[OURS], [THEIRS]], False),
        (None, [None, None], True),
        (None, [None, [OURS]], False),
    ],
)
def test_who_is_believed(clock, signs, believed, is_believed):
    """By all who were heard of lately, as any of them may be handed the next request."""
    workers = Fleet(clock)
    trust = SignatureStatus(Signer(signs), workers, clock)
    for number, keys in enumerate(believed):
        workers.receive(beat(f"c{number}", keys))
    assert (trust.fault() is None) is is_believed


def test_a_worker_that_is_gone_is_asked_no_more(clock):
    """Its word counts as long as its heartbeat does."""
    workers = Fleet(clock)
    trust = SignatureStatus(Signer(OURS), workers, clock)
    workers.receive(beat("c", [THEIRS]))
    assert trust.fault()
    clock.now += ALIVE_SECONDS + 0.1
    assert trust.fault() is None


def test_a_new_key_is_doubted_only_by_what_is_heard_a_while_later(clock):
    """A heartbeat from before the change holds nothing against it, one that still lacks it later does."""
    workers, signer = Fleet(clock), Signer(OURS)
    trust = SignatureStatus(signer, workers, clock)
    workers.receive(beat("c", [OURS]))
    signer.key_id = THEIRS
    assert trust.fault() is None
    workers.receive(beat("c", [OURS]))
    assert trust.fault() is None
    clock.now += GRACE_SECONDS
    assert trust.fault() is None
    workers.receive(beat("c", [OURS]))
    assert trust.fault()
    workers.receive(beat("c", [OURS, THEIRS]))
    assert trust.fault() is None
