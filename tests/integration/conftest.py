"""The whole system before a stand-in model of the speed that a test asks for."""

import pytest

from harness.models.standin import Standin
from harness.parts.gateway import Gateway
from harness.parts.policies import unscanned
from harness.parts.system import System
from harness.processes import plain_http


@pytest.fixture
async def start_system(tmp_path):
    """Return a function that starts every part; its options are the stand-in's, and ``System``'s."""
    systems = []

    policy = unscanned(tmp_path)

    async def start(*, settings=None, clients=("alice",), **speed):
        model = await Standin(tmp_path, **speed).start()
        systems.append(System(tmp_path, model, clients=clients, settings={**policy, **(settings or {})}))
        return await systems[-1].start()

    yield start
    for system in systems:
        await system.stop()


@pytest.fixture
def gateway_settings():
    """Variables of the ``gateway`` beside its bus and port; a module that needs some has its own."""
    return {}


@pytest.fixture
async def gateway(bus, tmp_path, gateway_settings):
    """A gateway that has the bus; what stands behind it is the test's."""
    gateway = await Gateway(bus, tmp_path, **gateway_settings).start()
    await gateway.connected()
    yield gateway
    await gateway.stop()


@pytest.fixture
async def http(gateway):
    """A client of the ``gateway``."""
    async with plain_http.client(base_url=gateway.url, timeout=30) as client:
        yield client
