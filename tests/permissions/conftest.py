"""The whole system before a stand-in model that records whatever reaches it."""

import pytest_asyncio

from harness.policies import unscanned
from harness.standin import Standin
from harness.system import System


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory):
    """Every part, with two direct clients: ``alice`` and ``mallory``."""
    folder = tmp_path_factory.mktemp("system")
    model = await Standin(folder).start()
    system = await System(folder, model, clients=("alice", "mallory"), settings=unscanned(folder)).start()
    yield system
    await system.stop()
