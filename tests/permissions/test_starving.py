"""One direct client sends as much as it can: everybody else is answered all the same."""

import json
import sys
from uuid import uuid4

import httpx
import nats.errors
import pytest

from harness.nats import flood
from harness.processes.process import Process
from harness.processes.wait import until
from stile.keys import credentials

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNT = 40_000
ANSWERED_SECONDS = 10
"""Far below the 30 s after which a request that nobody has accepted is given up."""
READ_SECONDS = 30
"""Direct clients' messages are read in the order in which nats-server hands them over, the flood's too."""

ID = uuid4()
ATTACKS = {
    "requests": ("chat.request", "{}"),
    "requests that are refused": ("chat.request", '{"prompt": "what the fuck"}'),
    "lookups": (f"chat.outcome.{ID}", ""),
    "cancellations": (f"chat.cancel.{ID}", ""),
}


@pytest.fixture
def attack(system, tmp_path):
    """Start a flood of mallory's; it is ended after the test."""
    running = []

    def start(subject, body, count=COUNT):
        seed = credentials.seed_file(system.bus.seeds, "mallory")
        log = tmp_path / f"flood-{len(running)}.log"
        process = Process(
            sys.executable, flood.__file__, system.bus.url, seed, subject, body, str(count), log=log
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.stop()


async def messages(system):
    """Return how many messages nats-server has been sent."""
    async with httpx.AsyncClient() as client:
        return (await client.get(f"http://127.0.0.1:{system.bus.monitor_port}/varz")).json()["in_msgs"]


@pytest.mark.parametrize("kind", ATTACKS)
async def test_a_flood_of_one_direct_client_keeps_nobody_out(system, attack, kind):
    """While it lasts, an HTTP client and another direct client are answered, lookups too."""
    before = await messages(system)
    flooding = attack(*ATTACKS[kind])

    async def has_begun():
        return await messages(system) > before + COUNT / 4

    await until(has_begun, within=60, what="the flood has arrived")
    async with httpx.AsyncClient(base_url=system.url, timeout=ANSWERED_SECONDS) as http:
        answer = await http.post("/chat", json={"prompt": "Why?"})
        assert answer.status_code == 200, answer.text
        found = await http.get(f"/chat/{answer.json()['id']}")
        assert found.status_code == 200, found.text
    alice = await system.bus.connect("alice")
    answer = await alice.request("chat.request", b'{"prompt": "And why?"}', timeout=READ_SECONDS)
    reply = json.loads(answer.data)
    assert reply["response"].startswith("echo: And why?")
    found = await alice.request(f"chat.outcome.{reply['id']}", b"", timeout=READ_SECONDS)
    assert json.loads(found.data) == reply
    assert flooding.exit_code in (None, 0), flooding.output()


async def test_past_its_line_a_client_is_told_at_once(system):
    """A burst that its line has no room for is ``client_queue_full``, with the time to come back."""
    mallory = await system.bus.connect("mallory")
    heard = []

    async def hear(message):
        heard.append(message)

    inbox = mallory.new_inbox()
    await mallory.subscribe(inbox, cb=hear)
    for _ in range(5000):
        await mallory.publish("chat.request", b"{}", reply=inbox)

    def full():
        return [said for said in heard if said.headers["Nats-Service-Error"] == "client_queue_full"]

    await until(full, within=60)
    error = json.loads(full()[0].data)["error"]
    assert (error["retry_after"], error["final"]) == (1.0, False)
    assert full()[0].headers["Nats-Service-Error-Code"] == "429"

    async def taken_again():
        try:
            answer = await mallory.request("chat.request", b"{}", timeout=1)
        except nats.errors.TimeoutError:
            return False  # it came while the line was full, and was not told
        return answer.headers["Nats-Service-Error"] == "invalid_request"

    await until(taken_again, what="what was taken is worked off")
