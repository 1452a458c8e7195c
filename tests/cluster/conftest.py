"""One cluster of three real servers for a module's tests, and the services on it."""

import pytest_asyncio

from harness.nats.cluster import ELECTION_SECONDS, Cluster
from harness.parts.fleet import Fleet
from harness.parts.policies import unscanned


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory):
    """Three nats-servers with R3 streams; a test that kills one brings it back."""
    cluster = await Cluster(tmp_path_factory.mktemp("cluster")).start()
    yield cluster
    await cluster.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(cluster):
    """Two filters, two consumers and a gateway, each told of all three servers."""
    policy = unscanned(cluster.folder)
    fleet = Fleet(
        cluster.folder,
        cluster,
        accept_seconds=ELECTION_SECONDS,
        settings=policy,
        tokens=5,
        token_seconds=0.02,
    )
    yield await fleet.start(filters=2, consumers=2)
    await fleet.stop()
