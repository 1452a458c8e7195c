"""``STILE_HOST=::`` listens on IPv6 and on IPv4."""

import pytest

from harness.processes import plain_http


@pytest.fixture
def gateway_settings():
    return {"STILE_HOST": "::"}


async def test_both_families_are_answered(gateway):
    """By their own addresses, so that a client of IPv4 is not one of IPv6."""
    for host in ("127.0.0.1", "[::1]"):
        assert await plain_http.status(f"http://{host}:{gateway.port}/healthz") == 200
