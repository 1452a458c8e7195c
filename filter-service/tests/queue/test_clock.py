"""The filter's wall clock against nats-server's: in memory, and on a real nats-server."""

import json
import sys
from datetime import UTC, datetime

import httpx
import pytest

from harness.ports import free_port
from harness.wait import until
from stile_contracts.messages import Heartbeat
from stile_filter.clock import WallClock
from stile_runtime.fleet import CLOCK_TOLERANCE_SECONDS

NOW = 1_800_000_000.0

SKEWED = """
import time
from pathlib import Path
real, offset = time.time, Path({offset!r})
time.time = lambda: real() + float(offset.read_text())
time.time_ns = lambda: int(time.time() * 1e9)
from stile_filter.main import main
main()
"""
"""The service with a wall clock that is off by the seconds in a file."""


@pytest.mark.parametrize(
    ("server", "fault"),
    [
        (NOW, None),
        (NOW - CLOCK_TOLERANCE_SECONDS, None),
        (NOW + CLOCK_TOLERANCE_SECONDS + 1, None),
        (NOW - 640, "the clock is 640 s off (ahead of nats-server's)"),
        (NOW + 641, "the clock is 640 s off (behind nats-server's)"),
        (0.0, "the clock is 1800000000 s off (ahead of nats-server's)"),
    ],
)
def test_how_far_it_is_off(server, fault):
    """It is right enough up to the tolerance; the server answered between the question and the answer."""
    clock = WallClock(lambda: NOW + 1)
    assert clock.fault() is None, "nothing is known yet"
    clock.compare(server, asked=NOW)
    assert clock.fault() == fault


def test_a_slow_answer_is_no_fault_of_the_clock():
    """The server may have answered at any time in between."""
    clock = WallClock(lambda: NOW + 600)
    for server in (NOW, NOW + 300, NOW + 600):
        clock.compare(server, asked=NOW)
        assert clock.fault() is None


def test_it_is_right_again():
    """What counts is the last comparison."""
    clock = WallClock(lambda: NOW)
    clock.compare(NOW - 640, asked=NOW)
    assert clock.fault()
    clock.compare(NOW, asked=NOW)
    assert clock.fault() is None


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
