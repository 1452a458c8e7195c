"""The whole system before a stand-in model of the speed that a test asks for."""

import httpx
import pytest

from harness.standin import Standin
from harness.system import System


@pytest.fixture
async def start_system(tmp_path):
    """Return a function that starts every part; its options are the stand-in's, and ``System``'s."""
    systems = []

    async def start(*, settings=None, clients=("alice",), **speed):
        model = await Standin(tmp_path, **speed).start()
        systems.append(System(tmp_path, model, clients=clients, settings=settings))
        return await systems[-1].start()

    yield start
    for system in systems:
        await system.stop()


@pytest.fixture
async def http(gateway):
    """A client of the ``gateway`` that the test's own module starts."""
    async with httpx.AsyncClient(base_url=gateway.url, timeout=30) as client:
        yield client
