"""The plan of the streams."""

from harness.nats.bus import CONFIGURATION
from stile.nats import provision
from stile_contracts import subjects


def test_the_log_alone_is_not_replicated():
    """nats-server does not replicate what it writes without waiting for the disk."""
    for wanted in (None, 3):
        plan = provision.read_plan(CONFIGURATION / "streams.json", wanted)
        replicas = {stream.name: stream.fields["num_replicas"] for stream in plan}
        assert replicas.pop(subjects.LOG_STREAM) == 1
        assert set(replicas.values()) == {wanted or 1}
