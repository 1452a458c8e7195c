"""TLS and mutual TLS on every connection to nats-server, with an authority made for each test."""

import asyncio
import os
import subprocess

import httpx
import nats
import pytest

from harness.models.standin import Standin
from harness.nats.bus import Bus
from harness.nats.certificates import Certificates
from harness.processes.ports import free_port
from harness.processes.process import BIN, Process
from harness.processes.wait import until
from stile_runtime import tls

PARTS = ("gateway", "filter", "consumer")


class Parts:
    """The parts on a bus, each with variables of its own."""

    def __init__(self, folder, bus):
        self._folder, self._bus, self._running = folder, bus, []
        self.port = free_port()
        self.model_url = f"http://127.0.0.1:{free_port()}"

    def start(self, part, **variables):
        """Start one; its log is new."""
        given = {**self._bus.environment(part), "STILE_PORT": str(self.port), **variables}
        given |= {"STILE_CONSUMER_PORT": str(free_port()), "STILE_LLAMA_URL": self.model_url}
        environment = {name: value for name, value in given.items() if value is not None}
        policy = self._folder / "policy.yml"
        policy.write_text("keywords:\n- {id: rude, category: rudeness, phrases: [darn]}\n")
        environment["STILE_POLICY"] = str(policy)  # without scanners, whose start takes its time
        log = self._folder / f"{part}-{len(self._running)}.log"
        self._running.append(Process(BIN / f"stile-{part}", log=log, env=environment))
        return self._running[-1]

    def stop(self):
        """End them all."""
        for process in self._running:
            process.stop()


@pytest.fixture
def certificates(tmp_path):
    """An authority and its certificates."""
    return Certificates(tmp_path / "certificates")


@pytest.fixture
async def secured(tmp_path, certificates):
    """A bus that speaks TLS alone, and asks for a certificate."""
    bus = await Bus(tmp_path / "bus", certificates=certificates).start()
    yield bus
    await bus.stop()


@pytest.fixture
def parts(tmp_path, secured):
    """What starts parts on the secured bus."""
    parts = Parts(tmp_path, secured)
    yield parts
    parts.stop()


CONNECTED = {
    "gateway": "bus_connected",
    "filter": "filter_ready",
    "consumer": "connected to the bus",
}
"""What a part logs once it is connected."""


@pytest.fixture
def folders(tmp_path):
    """Make the bus's folder."""
    (tmp_path / "bus").mkdir()


pytestmark = pytest.mark.usefixtures("folders")


async def test_every_part_speaks_mutual_tls(parts, tmp_path):
    """Each shows its certificate, checks the server's, and a request goes the way through them all."""
    model = await Standin(tmp_path).start()
    parts.model_url = model.url
    try:
        for part in PARTS:
            process = parts.start(part)
            await until(
                lambda process=process, part=part: CONNECTED[part] in process.output(),
                within=60,
                what=f"the {part} is connected",
            )
        async with httpx.AsyncClient(timeout=60) as client:

            async def told(prompt):
                answer = await client.post(f"http://127.0.0.1:{parts.port}/chat", json={"prompt": prompt})
                return answer.json() if answer.status_code == 200 else None

            refusal = await until(lambda: told("Darn!"), within=60, what="a banned word is refused")
            assert refusal["refused"]
            assert (await told("Why?"))["response"].startswith("echo: Why?")
    finally:
        model.stop()


@pytest.mark.parametrize("part", PARTS)
async def test_a_part_that_another_authority_vouches_for_does_not_get_in(parts, tmp_path, part):
    """Neither side believes the other: it keeps trying, and is never connected."""
    other = Certificates(tmp_path / "other")
    process = parts.start(part, **other.client)
    await until(lambda: "certificate" in process.output().lower(), within=60, what="it is told why")
    assert CONNECTED[part] not in process.output()


@pytest.mark.parametrize("part", PARTS)
async def test_a_part_without_a_certificate_does_not_get_in(parts, part):
    """Knowing the authority is not enough where nats-server asks who comes."""
    process = parts.start(part, STILE_NATS_TLS_CERT=None, STILE_NATS_TLS_KEY=None)

    def is_told():
        said = process.output().lower().replace(" ", "")
        return "certificaterequired" in said  # in OpenSSL's words, and in rustls's

    await until(is_told, within=60, what="it is told why")
    assert CONNECTED[part] not in process.output()


@pytest.mark.parametrize("part", PARTS)
async def test_a_server_that_says_it_speaks_no_tls_is_not_believed(tmp_path, certificates, part):
    """Whoever sits in between can't have the connection go on in plain text."""
    bus = await Bus(tmp_path / "bus").start()
    parts = Parts(tmp_path, bus)
    try:
        process = parts.start(part, **certificates.client)
        await until(
            lambda: any(word in process.output().lower() for word in ("ssl", "tls", "corrupt message")),
            within=60,
            what="it is told why",
        )
        assert CONNECTED[part] not in process.output()
    finally:
        parts.stop()
        await bus.stop()


async def test_in_plain_text_nobody_gets_in(secured):
    """Nor does a client that has the right nkey."""
    with pytest.raises((nats.errors.Error, OSError)):
        await nats.connect(secured.url, allow_reconnect=False, connect_timeout=2, max_reconnect_attempts=1)


async def test_a_client_that_waits_to_be_told_is_told(secured, certificates):
    """The `nats` command line and others begin in plain text unless they are told; the handshake follows."""
    context = tls.client_context(certificates.ca, certificates.cert, certificates.key)
    seed = secured.seeds / "alice.nk"
    client = await nats.connect(secured.url, tls=context, nkeys_seed=str(seed), allow_reconnect=False)
    assert client.is_connected
    await client.close()


@pytest.mark.parametrize("part", PARTS)
async def test_anothers_key_stops_the_start(certificates, part):
    """A certificate and a key that can both be read, and do not belong together."""
    environment = {**certificates.client, "STILE_NATS_TLS_KEY": str(certificates.server_key)}
    code, err = await starting(part, environment)
    assert code == 1
    assert "STILE_NATS_TLS_KEY" in err


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"STILE_NATS_TLS_KEY": None}, "STILE_NATS_TLS_KEY"),
        ({"STILE_NATS_TLS_CA": __file__}, "STILE_NATS_TLS_CA"),
        ({"STILE_NATS_TLS_KEY": __file__}, "STILE_NATS_TLS_KEY"),
        ({"STILE_NATS_TLS_CERT": "/nowhere.pem"}, "STILE_NATS_TLS_CERT"),
        ({"STILE_NATS_TLS_CERT": None}, "STILE_NATS_TLS_CERT"),
        ({"STILE_NATS_TLS_CA": "/nowhere.pem"}, "STILE_NATS_TLS_CA"),
    ],
)
async def test_files_that_cannot_be_used_stop_the_start(certificates, part, changed, named):
    """One line that names the variable, and the exit code 1."""
    given = {**certificates.client, **changed}
    code, err = await starting(part, {name: value for name, value in given.items() if value is not None})
    assert code == 1
    assert named in err
    assert len(err.splitlines()) == 1


async def starting(part, environment):
    """Start a part that is to end by itself; return its exit code and what it said."""
    child = await asyncio.create_subprocess_exec(
        BIN / f"stile-{part}",
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    _, err = await asyncio.wait_for(child.communicate(), 60)
    return child.returncode, err.decode()


async def test_the_command_line_speaks_tls_too(secured):
    """`stile provision` finds the streams as they should be."""
    environment = {**os.environ, **secured.environment("provisioner")}
    child = await asyncio.create_subprocess_exec(
        BIN / "stile", "provision", env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await asyncio.wait_for(child.communicate(), 60)
    assert (child.returncode, out) == (0, b""), err.decode()
