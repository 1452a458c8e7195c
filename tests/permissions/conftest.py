"""The whole system before a stand-in model that records whatever reaches it."""

import pytest_asyncio

from harness.models.standin import Standin
from harness.parts.policies import unscanned
from harness.parts.system import System


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory):
    """Every part, with two direct clients: ``alice`` and ``mallory``."""
    folder = tmp_path_factory.mktemp("system")
    model = await Standin(folder).start()
    system = await System(folder, model, clients=("alice", "mallory"), settings=unscanned(folder)).start()
    yield system
    await system.stop()
