"""A filter whose clock is off, on a real nats-server."""

import json
import sys
from datetime import UTC, datetime

import httpx
import pytest

from harness.processes.ports import free_port
from harness.processes.wait import until
from stile_contracts.messages import Heartbeat
from stile_runtime.fleet import CLOCK_TOLERANCE_SECONDS

SKEWED = """
import time
from pathlib import Path
real, offset = time.time, Path({offset!r})
time.time = lambda: real() + float(offset.read_text())
time.time_ns = lambda: int(time.time() * 1e9)
from stile_filter.app import main
main()
"""
"""The service with a wall clock that is off by the seconds in a file."""


@pytest.mark.parametrize("offset", [640, -640])
async def test_a_filter_whose_clock_is_off_says_so_and_decides_nothing(
    bus, run_filter, gateway, tmp_path, offset
):
    """Not ready, with the reason; an error of the moment, no result stored; until its clock is right."""
    file, port = tmp_path / "offset", free_port()
    file.write_text(str(offset))
    service = await run_filter(
        "", argv=(sys.executable, "-c", SKEWED.format(offset=str(file))), STILE_FILTER_PORT=port
    )
    beats = await gateway.client.subscribe("chat.event.filter")
    beat = Heartbeat.model_validate_json((await beats.next_msg(timeout=10)).data)
    assert beat.ready is False
    assert abs(beat.now_ms / 1000 - datetime.now(UTC).timestamp()) > CLOCK_TOLERANCE_SECONDS
    assert beat.reason.startswith("the clock is 6")
    assert beat.reason.endswith("(ahead of nats-server's)" if offset > 0 else "(behind nats-server's)")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        answer = await http.get("/readyz")
        assert (answer.status_code, "the clock is" in answer.text) == (503, True)
        await gateway.ask(1, {"prompt": "hi"})
        first = (await gateway.answer(1))[0]
        assert json.loads(first.data)["error"]["code"] == "filter_error"
        streams = (await bus.connect("provisioner")).jetstream()
        for stream in ("CHAT", "CHAT_RESULT"):
            assert (await streams.stream_info(stream)).state.messages == 0
        file.write_text("0")

        async def is_ready():
            return (await http.get("/readyz")).status_code == 200

        await until(is_ready, what="the filter says that it is ready")
        await gateway.ask(2, {"prompt": "hi"})
        assert (await gateway.answer(2))[0].headers["Chat-Event"] == "accepted"
    assert "clock_off" in service.output()
    assert "clock_right" in service.output()
