"""The whole system before a stand-in model of the speed that a test asks for."""

import pytest

from harness.standin import Standin
from harness.system import System


@pytest.fixture
async def start_system(tmp_path):
    """Return a function that starts every part; its options are the stand-in's and ``settings``."""
    systems = []

    async def start(*, settings=None, **speed):
        model = await Standin(tmp_path, **speed).start()
        systems.append(System(tmp_path, model, settings=settings))
        return await systems[-1].start()

    yield start
    for system in systems:
        await system.stop()
