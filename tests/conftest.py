"""Fixtures of the tests that need more than one part."""

import pytest

from harness.nats.bus import Bus


@pytest.fixture
async def bus(tmp_path):
    """A real nats-server with the project's own configuration and streams."""
    bus = await Bus(tmp_path).start()
    yield bus
    await bus.stop()
