"""Mutual TLS between the servers of a cluster, with authorities made for the test."""

import asyncio
from dataclasses import replace

import pytest
import pytest_asyncio

from harness.nats.bus import CONFIGURATION
from harness.nats.certificates import Certificates
from harness.nats.cluster import Cluster, Node
from harness.processes.wait import until
from stile.keys import credentials
from stile.nats import config as nats_config
from stile.nats import tls as nats_tls
from stile_contracts import subjects

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """The cluster's own authority."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def secured(tmp_path_factory, certificates):
    """Three servers that speak TLS alone, with each other and with everybody."""
    cluster = await Cluster(tmp_path_factory.mktemp("cluster"), certificates=certificates).start()
    yield cluster
    await cluster.stop()


async def test_three_servers_form_a_cluster_over_mutual_tls(secured):
    """Each knows the two others, and the streams lie on all three."""
    for node in secured.nodes.values():
        assert await routes(node) == secured.nodes.keys() - {node.name}
    provisioner = await secured.connect("provisioner", node="n1")
    info = await provisioner.jetstream().stream_info(subjects.CHAT_STREAM)
    assert len(info.cluster.replicas) == 2


STRANGERS = {
    "of another authority": lambda ours, other: nats_tls.of_server(
        replace(other.settings, nats_cluster_ca=ours.ca)
    ),
    "in plain text": lambda _, __: None,
}


@pytest.mark.parametrize("stranger", STRANGERS)
async def test_a_server_without_a_certificate_of_ours_does_not_get_in(
    tmp_path, secured, certificates, stranger
):
    """It knows the routes' password and every public key, and still each server ends the handshake."""
    tls = STRANGERS[stranger](certificates, Certificates(tmp_path / "other"))
    keys = credentials.ensure(secured.seeds)
    nats_config.write(CONFIGURATION, tmp_path / "nats", keys, {}, tls)
    ports = [node.route_port for node in secured.nodes.values()]
    password = credentials.route_password(secured.seeds)
    configuration = nats_config.write_routes(
        tmp_path / "nats", [f"127.0.0.1:{port}" for port in ports], password
    )
    log = secured.folder / "n1.log"
    before = log.read_text().count("TLS route handshake error")
    node = Node(tmp_path, "n4")
    node.start(configuration)
    try:
        await until(
            lambda: log.read_text().count("TLS route handshake error") > before,
            within=60,
            what="the first of the three says why",
        )
        assert await routes(node) == set()
        for ours in secured.nodes.values():
            assert "n4" not in await routes(ours)
    finally:
        await asyncio.to_thread(node.process.stop)


async def routes(node):
    """Ask a server whom it is routed to, by name; the answer comes as soon as it listens."""
    said = await until(lambda: node.monitor("routez"), within=60, what=f"{node.name} answers")
    return {route["remote_name"] for route in said["routes"]}
