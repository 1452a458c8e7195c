"""The state of each part, as far as it needs no bus."""

import socket
import threading

import pytest

from stile_console.bus import NatsBus
from stile_console.health import parts
from stile_console.history.records import Records
from stile_console.settings import Settings
from stile_runtime.fleet import Fleet


@pytest.fixture
def no_gateway():
    """A server that speaks another protocol, at the gateway's address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            client, _ = server.accept()
            with client:
                client.recv(4096)
                client.sendall(b"SSH-2.0-other\r\n\r\n")

        answering = threading.Thread(target=answer)
        answering.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        answering.join()


async def test_what_is_no_gateway_is_named(tmp_path, no_gateway):
    """Another program may have taken its port."""
    settings = Settings(home=tmp_path, policy=tmp_path / "policy.yml", gateway_url=no_gateway)
    fleet = Fleet()
    found = await parts.health(settings, NatsBus(settings, fleet, Records()), fleet)
    gateway = next(part for part in found.parts if part.name == "gateway")
    assert (gateway.ready, gateway.reason) == (False, f"no gateway answers on {no_gateway}")
