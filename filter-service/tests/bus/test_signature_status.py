"""A filter whose approvals the workers would drop, on a real nats-server."""

import json

import httpx
import pytest

from harness.processes.ports import free_port
from harness.processes.wait import until
from stile_contracts import signing
from stile_contracts.messages import Heartbeat
from stile_filter.admission.signing import FileSigner

THEIRS = "fedcba9876543210"


def beat(name, keys, **more):
    return Heartbeat(part="consumer", instance=name, version="1", ready=True, approval_keys=keys, **more)


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
        status, text = await told(keys=[THEIRS, ours])
        return status == 200 and text.startswith("ok\n")

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
