"""Who is there, by heartbeats."""

import json

import pytest

from stile_gateway.presence import Presence


class Clock:
    """Seconds that a test moves."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def presence(clock):
    return Presence(clock)


def beat(part, instance="a", *, ready=True, **fields):
    body = {"part": part, "instance": instance, "version": "1", "ready": ready, **fields}
    return json.dumps(body).encode()


def test_ready_where_bus_filter_and_consumer_are(presence):
    """All three are needed, and each is told of by itself."""
    presence.hear(beat("filter"))
    assert not presence.readiness(connected=True).ready
    presence.hear(beat("consumer"))
    assert presence.readiness(connected=True).ready
    without_bus = presence.readiness(connected=False)
    assert not without_bus.ready
    assert without_bus.parts["bus"].reason == "not connected"


def test_a_heartbeat_counts_for_five_seconds(presence, clock):
    """Two of them may be lost; then the part is gone, and is forgotten."""
    presence.hear(beat("filter"))
    clock.now += 5
    assert presence.state("filter").ready
    clock.now += 0.1
    state = presence.state("filter")
    assert (state.ready, state.instances) == (False, 0)
    assert "5 s" in state.reason


def test_one_that_is_ready_is_enough_and_a_reason_is_told_where_none_is(presence):
    """Several instances: any ready one will do; else the reason is an instance's own."""
    presence.hear(beat("consumer", "a", ready=False, reason="llama.cpp is loading"))
    state = presence.state("consumer")
    assert (state.ready, state.reason, state.instances) == (False, "llama.cpp is loading", 1)
    presence.hear(beat("consumer", "b"))
    assert presence.state("consumer").ready
    presence.hear(beat("consumer", "b", ready=False))
    assert not presence.state("consumer").ready


def test_what_is_no_heartbeat_is_nobodys(presence):
    """Anything may be published on the subject by a faulty part."""
    for body in (b"", b"{}", b"\xff", b'{"part": "model"}'):
        presence.hear(body)
    assert presence.state("filter").instances == 0


def test_models_are_what_a_request_can_name(presence, clock):
    """Each once, whoever has it; what no request can name is not listed, nor what was not heard lately."""
    for number, name in enumerate(["smollm2", "Llama-3.2", "LLAMA-3.2", "x" * 129, ""]):
        presence.hear(beat("consumer", str(number), model=name))
    assert [name.lower() for name in presence.models()] == ["llama-3.2", "smollm2"]
    assert presence.model("SmolLM2") == "smollm2"
    assert (presence.model("stile"), presence.model("gpt-4o")) == ("stile", None)
    clock.now += 6
    assert (presence.models(), presence.model("smollm2"), presence.model("stile")) == ([], None, None)
