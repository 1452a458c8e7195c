"""Schemathesis over the gateway's OpenAPI document: what it promises is what it does."""

import asyncio
from pathlib import Path

import pytest
from schemathesis.core.warnings import SchemathesisWarning

from harness.parts.gateway import Gateway, Responder, beat
from harness.processes.process import BIN, Process
from harness.processes.wait import until

TESTS = Path(__file__).parents[2]
SETTINGS = Path(__file__).with_name("schemathesis.toml")
WARNINGS = ",".join(SchemathesisWarning)


class Counting(Responder):
    """Tells what an answer has cost, as the consumer does."""

    async def finish(self, request, response="blue", seq=0, **fields):
        usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
        await super().finish(request, response, seq, usage=usage, **fields)


@pytest.fixture
async def gateway(bus, tmp_path):
    """A gateway with a responder behind it that answers every request."""
    gateway = await Gateway(bus, tmp_path, STILE_LOG_LEVEL="warning").start()
    await gateway.connected()
    responder = await Counting(await bus.connect("filter"), Responder.whole).start()
    consumer = await bus.connect("consumer")

    async def live():
        while True:
            lane = {"waiting": 0}
            queue = {"interactive": lane, "batch": lane, "running": 0}
            await beat(responder.client, "filter", queue=queue)
            await beat(consumer, "consumer", model="smollm2")
            await asyncio.sleep(2)  # between two heartbeats, as the services do

    beating = asyncio.create_task(live())
    yield gateway
    beating.cancel()
    await gateway.stop()


async def test_the_document_is_kept(gateway, tmp_path):
    """Valid requests are answered, invalid ones refused, and every answer is as documented."""
    run = Process(
        BIN / "schemathesis",
        f"--config-file={SETTINGS}",
        "run",
        f"{gateway.url}/openapi.json",
        "--checks=all",
        "--max-examples=40",
        "--seed=1",
        "--generation-database=none",
        f"--warnings={WARNINGS}",
        "--no-color",
        log=tmp_path / "schemathesis.log",
        env={"SCHEMATHESIS_HOOKS": "harness.clients.formats", "PYTHONPATH": str(TESTS)},
    )
    with run:
        await until(lambda: run.exit_code is not None, within=200, what="Schemathesis has finished")
    assert run.exit_code == 0, run.output()
    assert "No issues found" in run.output()
    assert "Traceback" not in gateway.process.output()
