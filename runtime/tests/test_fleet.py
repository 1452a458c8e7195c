"""The registry of heartbeats, in memory."""

import pytest

from stile_contracts.messages import Heartbeat
from stile_runtime.fleet import ALIVE_SECONDS, REMEMBERED_SECONDS, Fleet

EPOCH = 1_800_000_000.0


class Clock:
    """Seconds that a test moves."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    """The monotonic clock of the process that receives."""
    return Clock()


@pytest.fixture
def fleet(clock):
    """A registry whose wall clock stands still."""
    return Fleet(clock, lambda: EPOCH)


def beat(part="consumer", instance="a", *, ready=True, **fields):
    return Heartbeat(part=part, instance=instance, version="1", ready=ready, **fields)


def test_a_process_is_alive_as_long_as_its_last_heartbeat_counts(fleet, clock):
    """Two heartbeats may be lost; each process is counted once."""
    fleet.receive(beat())
    clock.now += 2
    fleet.receive(beat())
    fleet.receive(beat(instance="b"))
    clock.now += ALIVE_SECONDS
    assert [heartbeat.instance for heartbeat in fleet.alive("consumer")] == ["a", "b"]
    assert fleet.alive("filter") == []
    clock.now += 0.1
    assert fleet.alive("consumer") == []


def test_a_part_without_subscribers_is_away_until_its_next_heartbeat(fleet):
    """It counts as gone at once; the other parts stay."""
    for part in ("filter", "consumer"):
        fleet.receive(beat(part))
    fleet.no_responders("filter")
    assert fleet.alive("filter") == []
    assert len(fleet.alive("consumer")) == 1
    fleet.receive(beat("filter"))
    assert len(fleet.alive("filter")) == 1


def test_processes_can_be_chosen_by_their_model(fleet):
    """By its token, which is the same for upper and lower case."""
    fleet.receive(beat(instance="a", model="SmolLM2"))
    fleet.receive(beat(instance="b", model="llama"))
    fleet.receive(beat(instance="c"))
    assert [heartbeat.instance for heartbeat in fleet.alive("consumer", "smollm2")] == ["a"]
    assert len(fleet.alive("consumer")) == 3


@pytest.mark.parametrize(
    ("now_ms", "ahead"),
    [(None, None), (1_800_000_000_000, 0.0), (1_800_000_640_000, 640.0), (1_799_999_960_500, -39.5)],
)
def test_how_far_a_senders_clock_is_ahead(fleet, now_ms, ahead):
    """In seconds, as of when the heartbeat arrived; unknown if the sender does not say."""
    fleet.receive(beat(now_ms=now_ms))
    [member] = fleet.members("consumer")
    assert member.clock_ahead == ahead


def test_a_heartbeat_says_how_long_it_counts(fleet, clock):
    """A process that sends often is missed soon; one of an earlier version is not."""
    fleet.receive(beat(instance="a", alive_seconds=2.0))
    fleet.receive(beat(instance="b"))
    clock.now += 2.1
    assert [heartbeat.instance for heartbeat in fleet.alive("consumer")] == ["b"]


def test_after_what_silence_all_are_away(fleet, clock):
    """The process that sends most often is the one to miss; one that has gone does not count."""
    assert fleet.silent_after() == ALIVE_SECONDS
    fleet.receive(beat(instance="a", alive_seconds=2.0))
    fleet.receive(beat(instance="b"))
    assert fleet.silent_after() == 2.0
    clock.now += 2.1
    assert fleet.silent_after() == ALIVE_SECONDS


def test_models_live_as_their_workers_and_are_remembered_longer(fleet, clock):
    """Who asks says how long ago the last heartbeat of a model may be."""
    fleet.receive(beat(model="SmolLM2"))
    clock.now += ALIVE_SECONDS + 0.1
    assert fleet.model_names() == []
    assert fleet.models(REMEMBERED_SECONDS) == {"smollm2": "SmolLM2"}
    clock.now += REMEMBERED_SECONDS
    assert fleet.models(REMEMBERED_SECONDS) == {}


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b'{"part": "model"}'])
def test_what_is_no_heartbeat_is_not_taken_in(fleet, body):
    """Anything may be published on the subject by a faulty part."""
    assert not fleet.receive_body(body)
    assert fleet.receive_body(beat().model_dump_json().encode())
    assert len(fleet.alive("consumer")) == 1


def test_the_queue_is_the_one_sent_last(fleet, clock):
    """Several filters send theirs; a filter that sends none is passed over."""
    lane = {"waiting": 1}
    fleet.receive(beat("filter", "a", queue={"interactive": lane, "batch": lane, "running": 1}))
    clock.now += 1
    fleet.receive(beat("filter", "b", queue={"interactive": lane, "batch": lane, "running": 2}))
    fleet.receive(beat("filter", "c"))
    assert fleet.queue().running == 2
    clock.now += ALIVE_SECONDS + 0.1
    assert fleet.queue() is None


def test_what_a_model_can_do_is_what_all_its_workers_can(fleet, clock):
    """The least context counts, and a template that knows tools; silence of all is not known."""
    fleet.receive(beat(instance="a", model="Small", n_ctx=8192, supports_tools=True))
    fleet.receive(beat(instance="b", model="small", n_ctx=2048, supports_tools=True))
    fleet.receive(beat(instance="c", model="large", n_ctx=1024))
    assert (fleet.context("SMALL"), fleet.context("large"), fleet.context("stile")) == (2048, 1024, 1024)
    assert (fleet.context("none"), fleet.knows_tools("none")) == (None, False)
    assert (fleet.knows_tools("small"), fleet.knows_tools("stile")) == (True, False)
    fleet.receive(beat(instance="b", model="small", supports_tools=False))
    assert (fleet.context("small"), fleet.knows_tools("small")) == (8192, False)
    clock.now += ALIVE_SECONDS + 1
    assert (fleet.context("small"), fleet.knows_tools("small")) == (None, False)
