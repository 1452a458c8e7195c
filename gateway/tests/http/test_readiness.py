"""Who is there, by heartbeats."""

import json

import pytest

from stile_gateway.http.readiness import part_state, readiness, served_model
from stile_runtime.fleet import Fleet

NOW = 1_700_000_000.0
"""What this machine's clock says, in seconds since the Unix epoch."""


class Clock:
    """Seconds that a test moves."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def fleet(clock):
    return Fleet(clock, wall_clock=lambda: NOW)


def beat(part, instance="a", *, ready=True, **fields):
    body = {"part": part, "instance": instance, "version": "1", "ready": ready, **fields}
    return json.dumps(body).encode()


def test_ready_where_bus_filter_and_consumer_are(fleet):
    """All three are needed, and each is told of by itself."""
    fleet.receive_body(beat("filter"))
    assert not readiness(fleet, connected=True).ready
    fleet.receive_body(beat("consumer"))
    assert readiness(fleet, connected=True).ready
    without_bus = readiness(fleet, connected=False)
    assert not without_bus.ready
    assert without_bus.parts["bus"].reason == "not connected"


def test_a_filter_whose_policys_file_is_refused_is_ready(fleet):
    """It goes on with an earlier policy; that is told, of one filter or of several."""
    fleet.receive_body(beat("filter", policy="0123456789ab", policy_refused=False))
    assert part_state(fleet, "filter").detail is None
    fleet.receive_body(beat("filter", "b", policy="0123456789ab", policy_refused=True))
    state = part_state(fleet, "filter")
    assert state.ready
    assert "policy's file is refused" in state.detail


def test_a_worker_on_hold_is_ready_and_says_so(fleet):
    """It does what it is told; requests are accepted, and wait."""
    for part in ("filter", "consumer"):
        fleet.receive_body(beat(part, held=True))
    state = readiness(fleet, connected=True)
    assert state.ready
    assert "on hold" in state.parts["consumer"].detail
    assert state.parts["filter"].detail is None
    fleet.receive_body(beat("consumer", held=False))
    assert part_state(fleet, "consumer").detail is None


@pytest.mark.parametrize(
    ("part", "said", "seconds"), [("filter", {}, 5), ("consumer", {"alive_seconds": 2}, 2)]
)
def test_a_part_is_gone_when_its_heartbeat_counts_no_more(fleet, clock, part, said, seconds):
    """A worker says how long: 2 s. A filter says nothing: 5 s."""
    fleet.receive_body(beat(part, **said))
    clock.now += seconds
    assert part_state(fleet, part).ready
    clock.now += 0.1
    state = part_state(fleet, part)
    assert (state.ready, state.reason, state.instances) == (False, "none is heard", 0)


def test_one_that_is_ready_is_enough_and_a_reason_is_told_where_none_is(fleet):
    """Several instances: any ready one will do; else the reason is an instance's own."""
    fleet.receive_body(beat("consumer", "a", ready=False, reason="llama.cpp is loading"))
    state = part_state(fleet, "consumer")
    assert (state.ready, state.reason, state.instances) == (False, "llama.cpp is loading", 1)
    fleet.receive_body(beat("consumer", "b"))
    assert part_state(fleet, "consumer").ready
    fleet.receive_body(beat("consumer", "b", ready=False))
    assert not part_state(fleet, "consumer").ready


def test_what_is_no_heartbeat_is_nobodys(fleet):
    """Anything may be published on the subject by a faulty part."""
    for body in (b"", b"{}", b"\xff", b'{"part": "model"}'):
        fleet.receive_body(body)
    assert part_state(fleet, "filter").instances == 0


def test_models_are_what_a_request_can_name(fleet, clock):
    """Each once, whoever has it; what no request can name is not listed, nor what was not heard lately."""
    for number, name in enumerate(["smollm2", "Llama-3.2", "LLAMA-3.2", "x" * 129, ""]):
        fleet.receive_body(beat("consumer", str(number), model=name))
    assert [name.lower() for name in fleet.model_names()] == ["llama-3.2", "smollm2"]
    assert served_model(fleet, "SmolLM2") == "smollm2"
    assert (served_model(fleet, "stile"), served_model(fleet, "gpt-4o")) == ("stile", None)
    clock.now += 6
    assert (fleet.model_names(), served_model(fleet, "smollm2"), served_model(fleet, "stile")) == (
        [],
        None,
        None,
    )


@pytest.mark.parametrize("off", [-640.4, -31, 31, 640.4])
def test_a_clock_that_is_off_is_told_by_the_parts_that_are_ready(fleet, off):
    """Deadlines would mean other times to the other parts: the gateway is not ready, and says why."""
    for part in ("filter", "consumer"):
        fleet.receive_body(beat(part, now_ms=int((NOW + off) * 1000)))
    state = readiness(fleet, connected=True)
    assert not state.ready
    assert state.parts["gateway"].reason == f"clock is {abs(off):.0f} s off"
    assert [name for name, part in state.parts.items() if not part.ready] == ["gateway"]


@pytest.mark.parametrize(
    "beats",
    [
        [],
        [beat("filter")],
        [beat("filter", now_ms=int((NOW - 29) * 1000))],
        [beat("filter", now_ms=int((NOW + 640) * 1000), ready=False, reason="clock is 640 s off")],
        [beat("filter", now_ms=int((NOW + 640) * 1000)), beat("consumer", now_ms=int(NOW * 1000))],
    ],
)
def test_a_clock_is_right_unless_every_ready_part_says_otherwise(fleet, beats):
    """A part that is not ready is no witness, and one ready part that agrees is enough."""
    for body in beats:
        fleet.receive_body(body)
    assert readiness(fleet, connected=True).parts["gateway"].ready
