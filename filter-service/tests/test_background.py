"""What runs beside the requests: a loop that dies brings the service down, and does not die in silence."""

import sys

import pytest

from harness.processes.wait import until

LOSES = """
import sys
from stile_filter import main

async def odd(self):
    raise KeyError("an answer of nats-server that nobody expects")

module, _, name = sys.argv[1].rpartition(":")
owner = __import__(f"stile_filter.{module.split('.')[0]}", fromlist=["x"])
setattr(getattr(owner, module.split(".")[1]), name, odd)
main.main()
"""


@pytest.mark.parametrize(
    "loop",
    [
        "dead_letters.DeadLetters:sweep",
        "rounds.Rounds:tell",
        "rounds.Rounds:keep_looking",
        "outcome_shares.OutcomeShares:look",
        "main.Service:_beat",
    ],
)
async def test_a_loop_that_dies_ends_the_service(run_filter, loop):
    """It says which loop was lost, and exits, so that whatever supervises it starts it again."""
    process = await run_filter("", wait=False, argv=(sys.executable, "-c", LOSES, loop))
    await until(lambda: process.exit_code is not None, within=60, what="the filter ends")
    assert process.exit_code == 1
    assert "loop_lost" in process.output()
    assert "has ended by itself" in process.output()
