"""TLS and mutual TLS on the link of an edge site, and at the site, with authorities made for each test."""

import httpx
import nats.errors
import pytest

from harness.nats.bus import Bus
from harness.nats.certificates import Certificates
from harness.nats.leaf_site import LeafSite
from harness.parts.fleet import Fleet
from harness.parts.policies import unscanned
from harness.processes.wait import until


@pytest.fixture
def certificates(tmp_path):
    """The authority of the hub and its sites."""
    return Certificates(tmp_path / "certificates")


@pytest.fixture
async def hub(tmp_path, certificates):
    """A hub that speaks TLS alone, on the sites' port too, and asks everybody for a certificate."""
    (tmp_path / "hub").mkdir()
    bus = await Bus(tmp_path / "hub", hub=True, certificates=certificates).start()
    yield bus
    await bus.stop()


def link(certificates):
    return {
        "STILE_NATS_LINK_CA": str(certificates.ca),
        "STILE_NATS_LINK_CERT": str(certificates.cert),
        "STILE_NATS_LINK_KEY": str(certificates.key),
    }


def own(certificates):
    return {
        "STILE_NATS_SITE_CERT": str(certificates.server_cert),
        "STILE_NATS_SITE_KEY": str(certificates.server_key),
        "STILE_NATS_SITE_CLIENT_CA": str(certificates.ca),
    }


async def test_a_site_speaks_mutual_tls_with_the_hub_and_with_its_devices(tmp_path, hub, certificates):
    """A device shows the site its certificate, the site shows the hub its own, and an answer comes."""
    fleet = await Fleet(tmp_path, hub, settings=unscanned(tmp_path), tokens=3).start()
    site = LeafSite(tmp_path / "edge", hub, **link(certificates), **own(certificates))
    try:
        await site.start()
        device = await site.device(**certificates.connection)
        answer = await device.request("chat.request", b'{"prompt": "over both links"}', timeout=60)
        assert b"echo: over both links" in answer.data
        await device.close()
        with pytest.raises((nats.errors.Error, OSError)):
            await site.device(allow_reconnect=False, connect_timeout=2)
    finally:
        await site.stop()
        await fleet.stop()


STRANGERS = {
    "of another authority": lambda theirs, other: {**link(other), "STILE_NATS_LINK_CA": str(theirs.ca)},
    "without a certificate": lambda theirs, _: {"STILE_NATS_LINK_CA": str(theirs.ca)},
    "in plain text": lambda _, __: {},
}


@pytest.mark.parametrize("stranger", STRANGERS)
async def test_a_site_without_a_certificate_of_ours_does_not_get_in(tmp_path, hub, certificates, stranger):
    """Its seeds are the right ones, and still the hub ends the connection at the handshake."""
    other = Certificates(tmp_path / "other")
    site = LeafSite(tmp_path / "edge", hub, **STRANGERS[stranger](certificates, other))
    try:
        await site.begin()
        said = tmp_path / "hub" / "nats.log"
        await until(
            lambda: "TLS leafnode handshake error" in said.read_text(), within=60, what="the hub says why"
        )
        assert await joined(hub) == 0
    finally:
        await site.stop()


async def test_a_site_does_not_believe_a_hub_of_another_authority(tmp_path, hub, certificates):
    """Whoever sits in between with a certificate of their own hears no seed's signature and no prompt."""
    other = Certificates(tmp_path / "other")
    site = LeafSite(tmp_path / "edge", hub, **{**link(certificates), "STILE_NATS_LINK_CA": str(other.ca)})
    try:
        process = await site.begin()
        await until(lambda: "unknown authority" in process.output(), within=60, what="the site says why")
        assert await joined(hub) == 0
    finally:
        await site.stop()


async def test_a_site_does_not_go_on_in_plain_text(tmp_path, certificates):
    """Nor with a hub that knows no TLS at all."""
    bus = await Bus(tmp_path, hub=True).start()
    site = LeafSite(tmp_path / "edge", bus, **link(certificates))
    try:
        process = await site.begin()
        await until(lambda: "TLS Handshake Failure" in process.output(), within=60, what="the site says why")
        assert await joined(bus) == 0
    finally:
        await site.stop()
        await bus.stop()


async def joined(hub):
    async with httpx.AsyncClient() as client:
        return (await client.get(f"http://127.0.0.1:{hub.monitor_port}/leafz")).json()["leafnodes"]
