"""What runs beside the requests: a loop that dies brings the service down, and does not die in silence."""

import sys

import pytest

from harness.processes.wait import until

LOSES = """
import importlib
import sys
from stile_filter import app

async def odd(self):
    raise KeyError("an answer of nats-server that nobody expects")

module, _, name = sys.argv[1].partition(":")
owner, _, method = name.partition(".")
setattr(getattr(importlib.import_module(f"stile_filter.{module}"), owner), method, odd)
app.main()
"""


@pytest.mark.parametrize(
    "loop",
    [
        "requests.dead_letters:DeadLetters.sweep",
        "queue.positions:PositionNotifier.keep_notifying",
        "queue.positions:PositionNotifier.keep_looking",
        "requests.result_shares:ResultShares.look",
        "app:Service._beat",
    ],
)
async def test_a_loop_that_dies_ends_the_service(run_filter, loop):
    """It says which loop was lost, and exits, so that whatever supervises it starts it again."""
    process = await run_filter("", wait=False, argv=(sys.executable, "-c", LOSES, loop))
    await until(lambda: process.exit_code is not None, within=60, what="the filter ends")
    assert process.exit_code == 1
    assert "loop_lost" in process.output()
    assert "has ended by itself" in process.output()
