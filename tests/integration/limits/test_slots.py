"""No client takes another's slots or connections at the gateway, however it holds its own.

The attacker has an address of its own (Linux has all of 127.0.0.0/8), or a key of its own. Meanwhile another
client's short request is answered, and health and metrics answer.
"""

import asyncio
import contextlib
import re
import resource
import socket

import httpx
import psutil
import pytest

from harness.parts.gateway import Gateway, Responder, beat
from harness.processes.wait import until
from stile_runtime.api_keys import ApiKey, ApiKeys, digest

ATTACKER = "127.0.0.2"
ATTACKERS_NAME = "http-127-0-0-2"
PROBES = ("/healthz", "/readyz", "/metrics")
MAX_IN_FLIGHT = 16
SHARE = 2
"""An eighth of them."""
MANY = 3 * MAX_IN_FLIGHT
WITHIN = 60
"""Seconds for any answer; machines that run tests are busy."""


@pytest.fixture
def gateway_settings():
    return {"STILE_MAX_IN_FLIGHT": str(MAX_IN_FLIGHT)}


@pytest.fixture
async def responder(bus):
    """Answers everybody at once but for the attacker, whose requests wait for ever."""

    async def answer(responder, request):
        if request.headers["Chat-Client"] in {ATTACKERS_NAME, "http-greedy"}:
            await responder.accept(request)
        else:
            await responder.whole(request)

    return await Responder(await bus.connect("filter"), answer).start()


class Attack:
    """Connections of one address, each of which sends something and then holds on.

    Args:
        gateway: where to.
        source: the address that they come from.
    """

    def __init__(self, gateway, source=ATTACKER):
        self._gateway = gateway
        self._source = source
        self._writers = []
        self._reading = []
        self.heard = []
        """What came back on each connection."""
        self.closed = 0
        """How many the gateway has closed."""

    async def open(self, count, sent):
        """Open ``count`` connections and send the same on each; one that is refused at once counts, too."""
        for _ in range(count):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self._gateway.port, local_addr=(self._source, 0)
            )
            writer.write(sent)
            self._writers.append(writer)
            self.heard.append(b"")
            self._reading.append(asyncio.create_task(self._read(len(self.heard) - 1, reader)))

    def answered(self, status):
        """Count the connections that were answered so."""
        return sum(answer.startswith(b"HTTP/1.1 %d " % status) for answer in self.heard)

    async def _read(self, number, reader):
        with contextlib.suppress(OSError):
            while piece := await reader.read(65536):
                self.heard[number] += piece
        self.closed += 1

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)
        for writer in self._writers:
            writer.close()


async def others_are_served(bus, gateway, headers=None):
    """Another client's short request is answered, and whoever watches the gateway is, on new connections."""
    for part in ("filter", "consumer"):
        await beat(await bus.connect(part), part)
    async with asyncio.timeout(WITHIN):
        for path in PROBES:
            async with httpx.AsyncClient(base_url=gateway.url, timeout=WITHIN) as http:
                assert (await http.get(path)).status_code == 200, path
        async with httpx.AsyncClient(base_url=gateway.url, timeout=WITHIN, headers=headers) as http:
            answer = await http.post("/chat", json={"prompt": "Why?"})
            assert (answer.status_code, answer.json().get("response")) == (200, "blue"), answer.text
            assert (await http.get("/")).status_code == 200


def post(body=b'{"prompt": "x"}', length=None, extra=""):
    return (
        f"POST /chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length or len(body)}\r\n{extra}\r\n"
    ).encode() + body


def get(path, extra=""):
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{extra}\r\n".encode()


async def ask_later(gateway, headers=None):
    """Have the attacker ask something that waits; return its id."""
    transport = httpx.AsyncHTTPTransport(local_address=ATTACKER)
    async with httpx.AsyncClient(base_url=gateway.url, transport=transport, timeout=WITHIN) as http:
        told = {"Prefer": "respond-async", "Content-Type": "application/json", **(headers or {})}
        asked = await http.post("/chat", content=b'{"prompt": "x"}', headers=told)
        assert asked.status_code == 202, asked.text
        return asked.json()["id"]


SLOW_BODY = post(b"{", length=1000)
CHUNKED_BODY = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"
)


@pytest.mark.parametrize("sent", [SLOW_BODY, CHUNKED_BODY], ids=["announced", "chunked"])
@pytest.mark.usefixtures("responder")
async def test_slow_bodies_take_no_other_clients_slots(bus, gateway, sent):
    """One address has an eighth of the slots; one request more of it is a 429 before its body is read."""
    async with Attack(gateway) as attack:
        await attack.open(MANY, sent)
        await others_are_served(bus, gateway)
        await until(lambda: attack.answered(429) >= MANY - SHARE, within=WITHIN, what="the rest is refused")
        refused = next(answer for answer in attack.heard if answer)
        assert b"client_queue_full" in refused
        assert re.search(rb"\r\nretry-after: 1\r\n", refused.lower())
        assert b"\r\nconnection: close\r\n" in refused.lower()


@pytest.mark.parametrize("way", ["stream", "wait", "join"])
@pytest.mark.usefixtures("responder")
async def test_followers_take_no_other_clients_slots(bus, gateway, way):
    """Whoever follows a request of its own, by any way, has a slot for each that follows."""
    chat_id = await ask_later(gateway, {"Idempotency-Key": "k"})
    sent = {
        "stream": get(f"/chat/{chat_id}", "Accept: text/event-stream\r\n"),
        "wait": get(f"/v1/chat/{chat_id}?wait=60"),
        "join": post(extra="Idempotency-Key: k\r\n"),
    }[way]
    async with Attack(gateway) as attack:
        await attack.open(MANY, sent)
        await others_are_served(bus, gateway)
        await until(lambda: attack.answered(429) >= MANY - SHARE, within=WITHIN, what="the rest is refused")


@pytest.mark.usefixtures("responder")
async def test_requests_that_nobody_listens_to_are_counted_too(bus, gateway):
    """A request goes on when its client has hung up under a key: they are held, and counted, by client."""
    beats = await bus.connect("filter")
    await beat(beats, "filter")
    for number in range(SHARE):
        await ask_later(gateway, {"Idempotency-Key": f"k{number}"})
    transport = httpx.AsyncHTTPTransport(local_address=ATTACKER)
    async with httpx.AsyncClient(base_url=gateway.url, transport=transport, timeout=WITHIN) as http:
        answer = await http.post("/chat", json={"prompt": "x"}, headers={"Prefer": "respond-async"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "client_queue_full")
    await others_are_served(bus, gateway)


@pytest.mark.parametrize("gateway_settings", [{"STILE_MAX_IN_FLIGHT": "1"}])
async def test_whoever_has_the_whole_answer_may_ask_again_at_once(gateway):
    """With one slot alone: it is free as soon as the answer is there, though a file is closed only later."""
    async with httpx.AsyncClient(base_url=gateway.url, timeout=WITHIN) as http:
        for _ in range(20):
            for path in ("/static-offline-docs/swagger-ui.css", "/openapi.json", "/"):
                assert (await http.get(path)).status_code == 200


@pytest.mark.parametrize(
    "gateway_settings", [{"STILE_MAX_BODY_BYTES": "100000", "STILE_MAX_HELD_BYTES": "200000"}]
)
@pytest.mark.usefixtures("responder")
async def test_large_bodies_take_no_other_clients_memory(bus, gateway):
    """One client may have one of the largest bodies in memory: one that comes, or one that is held."""
    await beat(await bus.connect("filter"), "filter")
    large = b'{"prompt": "x"}' + b" " * 60_000
    async with Attack(gateway) as attack:
        await attack.open(2, post(large, length=90_000))
        await until(lambda: attack.answered(429) == 1, within=WITHIN, what="one has no room")
        await others_are_served(bus, gateway)
    transport = httpx.AsyncHTTPTransport(local_address=ATTACKER)
    told = {"Prefer": "respond-async", "Content-Type": "application/json"}
    async with httpx.AsyncClient(base_url=gateway.url, transport=transport, timeout=WITHIN) as http:

        async def is_held():
            return (await http.post("/chat", content=large, headers=told)).status_code == 202

        await until(is_held, within=WITHIN, what="the attacker's connections are forgotten")
        answer = await http.post("/chat", content=large, headers=told)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "client_queue_full"), answer.text
    await others_are_served(bus, gateway)


CONNECTIONS = 2 * MAX_IN_FLIGHT + 100
HOLDING = {
    "idle": b"",
    "half a head": b"GET /healthz HTTP/1.1\r\nHost: local",
    "kept alive": get("/healthz"),
    "line ends": get("/healthz") + b"\r\n\r\n",
}


@pytest.mark.parametrize("sent", HOLDING.values(), ids=HOLDING.keys())
@pytest.mark.usefixtures("responder")
async def test_connections_take_no_other_clients_connections(bus, gateway, sent):
    """One address has an eighth of the connections: for one more, its longest idle one is closed."""
    async with Attack(gateway) as attack:
        await attack.open(2 * CONNECTIONS, sent)
        await others_are_served(bus, gateway)
        share = CONNECTIONS // 8
        await until(
            lambda: attack.closed >= 2 * CONNECTIONS - share, within=WITHIN, what="the rest is closed"
        )


@pytest.mark.usefixtures("responder")
async def test_busy_connections_take_no_other_clients_connections(bus, gateway):
    """Where an address's connections are all at work, one more is told so, and closed."""
    chat_id = await ask_later(gateway)
    transport = httpx.AsyncHTTPTransport(local_address=ATTACKER)
    async with Attack(gateway) as attack, Attack(gateway) as more:
        await attack.open(SHARE, get(f"/chat/{chat_id}", "Accept: text/event-stream\r\n"))
        await until(lambda: attack.answered(200) == SHARE, within=WITHIN)
        # No answer of these is read to its end: the slots are taken, and each has a connection.
        await more.open(2 * CONNECTIONS, get(f"/chat/{chat_id}", "Accept: text/event-stream\r\n"))
        await until(lambda: more.answered(429) == 2 * CONNECTIONS, within=WITHIN)
        await others_are_served(bus, gateway)
        async with httpx.AsyncClient(base_url=gateway.url, transport=transport, timeout=WITHIN) as http:
            assert (await http.get("/healthz")).status_code == 200


@pytest.mark.usefixtures("responder")
async def test_as_many_idle_connections_as_there_may_be_at_all(bus, tmp_path):
    """At the default limits: 4,200 connections of one address that say nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gateway = await Gateway(bus, tmp_path).start()
    try:
        await gateway.connected()
        async with Attack(gateway) as attack:
            await attack.open(4200, b"")
            await others_are_served(bus, gateway)
            await until(lambda: attack.closed >= 4200 - 4100 // 8, within=WITHIN, what="the rest is closed")
    finally:
        await gateway.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("responder")
async def test_a_process_without_a_descriptor_left_goes_on(bus, gateway):
    """What cannot be taken is closed; when there is room again, everybody is served."""
    pid = gateway.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = psutil.Process(pid).num_fds()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 4, limits[1]))
    try:
        async with Attack(gateway) as attack:
            await attack.open(MANY, b"")
            await until(lambda: attack.closed >= MANY - 4, within=WITHIN, what="the rest is closed")
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    await others_are_served(bus, gateway)


@pytest.fixture
async def keyed(bus, tmp_path):
    """A gateway that asks for keys: one of few rights, and another client's."""
    keys = [
        ApiKey(name="greedy", sha256=digest("greedy"), max_in_flight=1, requests_per_minute=3),
        ApiKey(name="plenty", sha256=digest("plenty")),
        ApiKey(name="ada", sha256=digest("ada")),
    ]
    path = tmp_path / "keys.json"
    path.write_text(ApiKeys(keys=tuple(keys)).model_dump_json())
    settings = {"STILE_MAX_IN_FLIGHT": str(MAX_IN_FLIGHT), "STILE_API_KEYS": str(path)}
    gateway = await Gateway(bus, tmp_path, **settings).start()
    await gateway.connected()
    yield gateway
    await gateway.stop()


ADA = {"Authorization": "Bearer ada"}
GREEDY = "Authorization: Bearer greedy\r\n"


@pytest.mark.usefixtures("responder")
async def test_a_keys_slow_bodies_are_its_requests_at_once(bus, keyed):
    """A body that is still coming is the key's one request; the next is a 429, and other keys are free."""
    async with Attack(keyed) as attack:
        await attack.open(MANY, post(b"{", length=1000, extra=GREEDY))
        await others_are_served(bus, keyed, ADA)
        await until(lambda: attack.answered(429) >= MANY - 1, within=WITHIN, what="all but one are refused")


@pytest.mark.usefixtures("responder")
async def test_a_keys_followers_are_its_requests_at_once(bus, keyed):
    """Following counts as asking does."""
    chat_id = await ask_later(keyed, {"Authorization": "Bearer greedy"})
    async with Attack(keyed) as attack:
        await attack.open(MANY, get(f"/chat/{chat_id}", f"Accept: text/event-stream\r\n{GREEDY}"))
        await others_are_served(bus, keyed, ADA)
        await until(lambda: attack.answered(429) >= MANY - 1, within=WITHIN, what="all but one are refused")


@pytest.mark.usefixtures("responder")
async def test_a_key_has_its_share_wherever_it_comes_from(bus, keyed):
    """A key without limits has an eighth of the slots in all, from however many addresses it asks."""
    body = post(b"{", length=1000, extra="Authorization: Bearer plenty\r\n")
    async with contextlib.AsyncExitStack() as stack:
        attacks = [await stack.enter_async_context(Attack(keyed, f"127.0.0.{n}")) for n in range(2, 10)]
        for attack in attacks:
            await attack.open(SHARE, body)
        await others_are_served(bus, keyed, ADA)
        await until(lambda: sum(attack.answered(429) for attack in attacks) == 7 * SHARE, within=WITHIN)


@pytest.mark.usefixtures("responder")
async def test_a_request_that_is_invalid_is_one_of_the_minutes_too(keyed):
    """It has cost the gateway the same: three of a minute are three, whatever they were."""
    async with httpx.AsyncClient(
        base_url=keyed.url, timeout=WITHIN, headers={"Authorization": "Bearer greedy"}
    ) as http:
        statuses = [(await http.post("/chat", json={})).status_code for _ in range(4)]
        assert statuses == [422, 422, 422, 429]


@pytest.mark.usefixtures("responder")
async def test_without_a_key_that_is_known_no_body_is_read(bus, keyed):
    """It is a 401 at once."""
    async with Attack(keyed) as attack:
        await attack.open(MANY, SLOW_BODY)
        await until(lambda: attack.answered(401) == MANY, within=WITHIN)
        await others_are_served(bus, keyed, ADA)


@pytest.mark.usefixtures("responder")
async def test_behind_a_trusted_proxy_the_forwarded_address_counts(bus, tmp_path):
    """All of a proxy's connections come from it: its clients are told apart, an IPv6 /64 is one of them."""
    settings = {"STILE_MAX_IN_FLIGHT": str(MAX_IN_FLIGHT), "STILE_TRUSTED_PROXIES": ATTACKER}
    gateway = await Gateway(bus, tmp_path, **settings).start()
    try:
        await gateway.connected()
        async with Attack(gateway) as proxy:
            for number in range(MANY):
                extra = f"X-Forwarded-For: 2001:db8::{number + 1:x}\r\n"
                await proxy.open(1, post(b"{", length=1000, extra=extra))
            await until(lambda: proxy.answered(429) == MANY - SHARE, within=WITHIN)
            await proxy.open(1, post(extra="X-Forwarded-For: 2001:db8:0:1::1\r\n"))
            await until(lambda: proxy.answered(200) == 1, within=WITHIN)
            await others_are_served(bus, gateway)
    finally:
        await gateway.stop()


async def test_a_client_that_reads_nothing_is_let_go(gateway):
    """Answers that nobody takes hold a connection for some time, not for ever."""
    script = get("/page/vendor/markdown-it.esm.min.mjs")
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(SHARE):
            connection = stack.enter_context(socket.socket())
            # Small segments and a small window, so that the system takes little of an answer.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
            connection.bind((ATTACKER, 0))
            connection.connect(("127.0.0.1", gateway.port))
            connection.sendall(script * 8)
        await until(
            lambda: gateway.process.output().count("connection stalled") >= SHARE,
            within=120,
            what="they are closed",
        )


async def test_requests_sent_before_the_first_is_answered_are_bounded(bus, gateway):
    """A connection may run a few requests ahead; what goes on is closed, and keeps no memory."""
    await Responder(await bus.connect("filter"), Responder.accept).start()
    async with Attack(gateway) as attack:
        await attack.open(1, post() + get("/queue") * 5000)
        await until(lambda: attack.closed == 1, within=WITHIN, what="it is closed")
