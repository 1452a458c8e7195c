"""A filter that the workers do not believe says so, and approves nothing."""

import json

import httpx
import pytest

from harness.ports import free_port
from harness.wait import until
from stile_contracts import signing
from stile_contracts.messages import Heartbeat
from stile_filter.signing import FileSigner, Unsigned
from stile_filter.trust import GRACE_SECONDS, Trust
from stile_runtime.fleet import ALIVE_SECONDS, Fleet

OURS, THEIRS = "0123456789abcdef", "fedcba9876543210"


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self):
        return self.now


class Signer(Unsigned):
    """Signs with the key that a test says."""

    def __init__(self, key_id):
        self.key_id = key_id


def beat(name, keys, **more):
    return Heartbeat(part="consumer", instance=name, version="1", ready=True, approval_keys=keys, **more)


@pytest.fixture
def clock():
    """The time."""
    return Clock()


@pytest.mark.parametrize(
    ("signs", "believed", "is_believed"),
    [
        (OURS, [], True),
        (OURS, [[OURS]], True),
        (OURS, [[THEIRS, OURS], None], True),
        (OURS, [[THEIRS]], False),
        (OURS, [[]], False),
        (OURS, [[OURS], [THEIRS]], False),
        (None, [None, None], True),
        (None, [None, [OURS]], False),
    ],
)
def test_who_is_believed(clock, signs, believed, is_believed):
    """By all who were heard of lately, as any of them may be handed the next request."""
    workers = Fleet(clock)
    trust = Trust(Signer(signs), workers, clock)
    for number, keys in enumerate(believed):
        workers.receive(beat(f"c{number}", keys))
    assert (trust.doubt() is None) is is_believed


def test_a_worker_that_is_gone_is_asked_no_more(clock):
    """Its word counts as long as its heartbeat does."""
    workers = Fleet(clock)
    trust = Trust(Signer(OURS), workers, clock)
    workers.receive(beat("c", [THEIRS]))
    assert trust.doubt()
    clock.now += ALIVE_SECONDS + 0.1
    assert trust.doubt() is None


def test_a_new_key_is_doubted_only_by_what_is_heard_a_while_later(clock):
    """A heartbeat from before the change holds nothing against it, one that still lacks it later does."""
    workers, signer = Fleet(clock), Signer(OURS)
    trust = Trust(signer, workers, clock)
    workers.receive(beat("c", [OURS]))
    signer.key_id = THEIRS
    assert trust.doubt() is None
    workers.receive(beat("c", [OURS]))
    assert trust.doubt() is None
    clock.now += GRACE_SECONDS
    assert trust.doubt() is None
    workers.receive(beat("c", [OURS]))
    assert trust.doubt()
    workers.receive(beat("c", [OURS, THEIRS]))
    assert trust.doubt() is None


class Worker:
    """Says what keys it believes, on a real bus."""

    def __init__(self, client):
        self._client = client

    async def says(self, keys):
        await self._client.publish("chat.event.consumer", beat("c", keys).model_dump_json().encode())
        await self._client.flush()


@pytest.fixture
async def worker(bus):
    """One worker."""
    return Worker(await bus.connect("consumer"))


async def said(gateway, number):
    """Ask for ``number`` and return the event, and the error's code where it is one."""
    await gateway.ask(number, {"prompt": "hi"})
    first = (await gateway.answer(number))[0]
    event = first.headers["Chat-Event"]
    return event if event != "error" else json.loads(first.data)["error"]["code"]


async def test_the_service_approves_nothing_that_no_worker_would_take_up(
    bus, run_filter, gateway, worker, tmp_path
):
    """Not ready, with the reason; an error of the moment, and CHAT stays empty; until they know the key."""
    key_file = tmp_path / "signing.key"
    key_file.write_text(signing.encode(bytes(range(32))))
    port = free_port()
    await run_filter("", STILE_SIGNING_KEY=key_file, STILE_FILTER_PORT=port)
    ours = FileSigner(key_file).key_id

    async def told(*, keys):
        await worker.says(keys)
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{port}/readyz")
        return answer.status_code, answer.text

    async def is_unready():
        status, text = await told(keys=[THEIRS])
        return status == 503 and ours in text

    async def is_ready():
        return await told(keys=[THEIRS, ours]) == (200, "ok\n")

    await until(is_unready, what="the filter says that it is not believed")
    assert await said(gateway, 1) == "filter_error"
    provisioner = (await bus.connect("provisioner")).jetstream()
    assert (await provisioner.stream_info("CHAT")).state.messages == 0
    await until(is_ready, what="the filter says that it is ready")
    assert await said(gateway, 2) == "accepted"


async def test_the_service_approves_nothing_unsigned_for_workers_that_ask_for_signatures(
    bus, run_filter, gateway, worker
):
    """Nor does it for one who asks again; what was accepted before is, as it is in CHAT already."""
    await run_filter("")
    assert await said(gateway, 1) == "accepted"
    await worker.says([THEIRS])
    provisioner = (await bus.connect("provisioner")).jetstream()

    async def is_refused():
        await worker.says([THEIRS])
        number = is_refused.number = is_refused.number + 1
        return await said(gateway, number) == "filter_error"

    is_refused.number = 1
    await until(is_refused, what="the filter has heard the worker")
    before = (await provisioner.stream_info("CHAT")).state.messages
    await gateway.ask(1, {"prompt": "hi"})
    assert (await gateway.answer(1, count=2))[1].headers["Chat-Event"] == "accepted"
    assert (await provisioner.stream_info("CHAT")).state.messages == before
