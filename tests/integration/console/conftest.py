"""The console before the whole system, with a home of the owner's."""

import pytest

from harness.models.standin import Standin
from harness.parts.console import Console
from harness.parts.policies import unscanned
from harness.parts.system import System


@pytest.fixture
async def system(tmp_path):
    """Every part; the gateway knows the keys of ``home``, the filter has a policy there."""
    home = tmp_path / "home"
    home.mkdir()
    settings = {"STILE_HOME": str(home), **unscanned(home)}
    system = await System(tmp_path, await Standin(tmp_path).start(), settings=settings).start()
    yield system
    await system.stop()


@pytest.fixture
async def console(system, tmp_path):
    """The console of ``system``."""
    home = tmp_path / "home"
    console = Console(system.bus, home, home / "unscanned.yml", STILE_GATEWAY_URL=system.url)
    yield await console.start()
    assert await console.stop() == 0


@pytest.fixture
async def owner(console):
    """A client of the console that is signed in."""
    client = await console.owner()
    yield client
    await client.aclose()
