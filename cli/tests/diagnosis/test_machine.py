"""What `stile doctor` says of a machine."""

import json
import time

import pytest

from stile.diagnosis import machine
from stile.diagnosis.findings import Warned
from stile.errors import StileError
from stile.home import Home, find_root
from stile.settings import Settings


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (
            "ImportError: libgomp.so.1: cannot open shared object file: No such file or directory",
            "libgomp.so.1 is missing: apt install libgomp1",
        ),
        ("libfoo-2.so: cannot open shared object file", "libfoo-2.so is missing: install the package"),
        ("Traceback\nImportError: no such module\n", "cannot be loaded: ImportError: no such module"),
        ("", "no reason given"),
    ],
)
def test_a_library_that_is_missing_is_named(output, said):
    """With the package of Debian that has it, if it is known."""
    assert said in machine.explain(output)


def test_the_disk(tmp_path):
    """Room for all streams, for some, or for nothing."""
    root, home = find_root(Settings()), Home(tmp_path)
    streams = sum(stream["max_bytes"] for stream in json.loads(root.streams.read_text())["streams"])
    assert "GB are free" in machine.disk(root, home, streams)
    with pytest.raises(Warned, match="may take"):
        machine.disk(root, home, streams - 1)
    with pytest.raises(StileError, match="make room"):
        machine.disk(root, home, 100_000_000)


def test_the_clock():
    """A board without a battery starts in the past."""
    assert "time service" in machine.clock(time.time(), is_synchronised=True)
    assert "no time service" in machine.clock(time.time(), is_synchronised=None)
    with pytest.raises(Warned, match="set-ntp"):
        machine.clock(time.time(), is_synchronised=False)
    with pytest.raises(StileError, match="before Stile's installation"):
        machine.clock(1000.0, is_synchronised=True)
