"""Each kind of fault once, under load, and the accounting; `make faults` is the same for longer."""

import pytest

from faults.breaking import Kind
from faults.run import Run, table


@pytest.fixture
async def run(tmp_path):
    """A system under a load that insists."""
    run = Run(tmp_path, seed=20261123)
    await run.start()
    yield run
    await run.stop()


@pytest.mark.timeout(600)
async def test_nothing_is_lost_doubled_or_mixed_up(run):
    """Every accepted id has one outcome, its client learned it, and it is its own.

    No model ever had two requests open, none was generated again without a fault to excuse it, and the parts
    that lived through a fault hold no more memory and descriptors than before.
    """
    phases = [await run.phase(kind, seconds=0) for kind in Kind]
    print(table(phases))  # noqa: T201 -- the numbers, where the test fails
    assert [sentence for phase in phases for sentence in phase.wrong()] == []
    assert all(phase.account.faults for phase in phases)
