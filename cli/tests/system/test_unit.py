"""The unit of `stile systemd install`, as systemd itself reads it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

STILE = Path(sys.executable).with_name("stile")


@pytest.mark.parametrize("options", [(), ("--system", "--user", "daemon")])
def test_systemd_takes_the_unit(tmp_path, options):
    """`systemd-analyze verify` has nothing to say; where there is none, every line has a name and a value."""
    printed = subprocess.run(
        [STILE, "systemd", "install", "--print", *options],
        env={**os.environ, "STILE_HOME": str(tmp_path / "a 100% home")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    unit = tmp_path / "stile.service"
    unit.write_text(printed)
    if analyze := shutil.which("systemd-analyze"):
        said = subprocess.run(
            [analyze, "verify", unit], capture_output=True, text=True, timeout=60, check=False
        )
        assert (said.returncode, "stile.service" in said.stderr) == (0, False), said.stderr
    lines = [line for line in printed.splitlines() if line and line[0] not in "#["]
    assert all(line.partition("=")[0].isalpha() and line.partition("=")[2] for line in lines)
