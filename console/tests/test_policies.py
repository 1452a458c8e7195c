"""A policy is applied only if the filters take it up; time is the test's."""

import pytest

from stile_console.errors import ConflictError, UnavailableError
from stile_console.policies.file import PolicyFile
from stile_console.policies.filter import REFUSED_AFTER_SECONDS, Policies
from stile_contracts.messages import Heartbeat, PolicyFault, PolicyVerdict
from stile_runtime.fleet import Fleet

GOOD = PolicyVerdict(policy="new", state="allow")
UNTRIED = PolicyVerdict(
    faults=[PolicyFault(line=3, reason="the scanner X does not run now, so it can't be tried here")]
)
FAULTY = PolicyVerdict(faults=[PolicyFault(line=2, reason="keywords[0]: no phrases")])


class Filters:
    """Two filters that send a heartbeat at each look at the clock.

    Args:
        verdict: what they say of any policy.
        later: policy and ``policy_refused`` of both, from four seconds after the start on.
        first: the same before that.
        silent: seconds at the start in which the console receives no heartbeat.
    """

    def __init__(self, verdict, later, first=("old", False), silent=0):
        self.now = 0.0
        self._verdict, self._later, self._first, self._silent = verdict, later, first, silent
        self.fleet = Fleet(lambda: self.now)
        self.clock()

    async def verdict(self, _text, _policy=None):
        return self._verdict

    def clock(self):
        self.now += 1
        for instance in ("a", "b") if self.now > self._silent else ():
            policy, refused = self._first if self.now < 5 else self._later
            self.fleet.receive(
                Heartbeat(
                    part="filter",
                    instance=instance,
                    version="1",
                    ready=True,
                    policy=policy,
                    policy_refused=refused,
                )
            )
        return self.now


@pytest.fixture
def file(tmp_path):
    (tmp_path / "policy.yml").write_text("before\n")
    return PolicyFile(tmp_path / "policy.yml", tmp_path / "policy.yml")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr("stile_console.policies.filter._POLL_SECONDS", 0)


async def apply(file, filters):
    """Apply ``after`` in the place of what is there."""
    policies = Policies(filters, filters.fleet, file, filters.clock)
    return await policies.apply("after\n", file.read().digest)


async def test_it_is_applied_when_every_filter_has_it(file):
    """The version that the draft had is the one in the heartbeats."""
    assert await apply(file, Filters(GOOD, ("new", False))) == (True, [])
    assert file.read().text == "after\n"


async def test_a_scanner_that_does_not_run_yet_is_tried_by_taking_it_up(file):
    """Its fault is none; any other version than before is the new one."""
    assert await apply(file, Filters(UNTRIED, ("another", False))) == (True, [])


async def test_a_fault_is_told_and_nothing_is_written(file):
    """The filters are not even asked to read it."""
    assert await apply(file, Filters(FAULTY, ("new", False))) == (False, FAULTY.faults)
    assert file.read().text == "before\n"


async def test_a_file_that_a_filter_refuses_is_put_back(file):
    """It says so some seconds after the change."""
    filters = Filters(UNTRIED, ("old", True))
    with pytest.raises(ConflictError, match="refused"):
        await apply(file, filters)
    assert file.read().text == "before\n"
    assert filters.now > REFUSED_AFTER_SECONDS


async def test_a_console_that_has_just_started_knows_the_policy_before_the_change(file):
    """No heartbeat has arrived when the owner applies a policy, so the first one is waited for."""
    with pytest.raises(ConflictError, match="refused"):
        await apply(file, Filters(UNTRIED, ("old", True), silent=3))
    assert file.read().text == "before\n"


async def test_without_a_filters_heartbeat_nothing_is_written(file):
    """Nobody could say whether the file is taken up."""
    with pytest.raises(UnavailableError, match="not changed"):
        await apply(file, Filters(GOOD, ("new", False), silent=1000))
    assert file.read().text == "before\n"


async def test_a_file_that_was_refused_before_says_nothing_of_the_new_one(file):
    """The filter says it until it has taken up the new file."""
    assert await apply(file, Filters(UNTRIED, ("another", False), first=("old", True))) == (True, [])
    with pytest.raises(UnavailableError, match="taken it up"):
        await apply(file, Filters(GOOD, ("old", True), first=("old", True)))
    assert file.read().text == "after\n"
