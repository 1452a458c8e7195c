"""`stile policy` as a person runs it: from any folder, for an installation whose path has a space."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.processes.ports import free_port

STILE = Path(sys.executable).with_name("stile")
PORTS = {f"STILE_{name}": str(free_port()) for name in ("PORT", "NATS_PORT", "CONSUMER_PORT")}
WORDS = """
keywords:
- {id: rude, category: rudeness, phrases: [darn]}
tests: {refuse: [darn], pass: [hello]}
"""


@pytest.fixture
def home(tmp_path):
    return tmp_path / "a home"


@pytest.fixture
def stile(tmp_path, home):
    """Run a command from a folder that has nothing to do with the installation."""
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()

    def run(*arguments, given=None, **env):
        return subprocess.run(
            [STILE, "policy", *arguments],
            cwd=elsewhere,
            env={**os.environ, "STILE_HOME": str(home), **env},
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def policy(home):
    """The installation's own policy, without scanners."""
    home.mkdir()
    (home / "policy.yml").write_text(WORDS)
    return home / "policy.yml"


def test_init_makes_a_copy_that_is_used(stile, home):
    """It finds its word lists, passes its own tests with its own scanners, and is never overwritten."""
    made = stile("init")
    assert (made.returncode, made.stdout) == (0, f"{home}/policy.yml\n"), made.stderr
    checked = stile("check")
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.startswith(f"{home}/policy.yml: good; ")
    again = stile("init")
    assert again.returncode == 1
    assert "policy.yml" in again.stderr


def test_a_bad_policy_has_a_place(stile, policy):
    """Exit code 1, with file, line and reason; a relative path starts in the current folder."""
    policy.write_text("# one\nkeywordz: []\n")
    checked = stile("check")
    assert (checked.returncode, checked.stdout) == (1, "")
    assert checked.stderr.startswith(f"{policy}:2: keywordz")
    (policy.parents[1] / "else where" / "new.yml").write_text("tests: {refuse: [hello]}\n")
    checked = stile("check", "new.yml")
    assert (checked.returncode, checked.stderr) == (
        1,
        "new.yml:1: tests.refuse[0]: should be refused: it passes\n",
    )


@pytest.mark.usefixtures("policy")
def test_a_text_is_tested(stile):
    """By the installation's policy; options and standard input are passed on."""
    assert stile("test", "hello you").returncode == 0
    tested = stile("test", "--json", "--role", "assistant", "--file", "-", given="hello\nd4rn it\n")
    assert tested.returncode == 1, tested.stderr
    assert [one["verdict"] for one in json.loads(tested.stdout)] == ["allow", "refuse"]
    assert stile("test").returncode == 2
    assert stile("test", "--roles", "x").returncode == 2
    assert "--role" in stile("test", "--help").stdout


def test_two_policies_are_compared(stile, policy):
    """One file is compared with the policy in use."""
    new = policy.with_name("new.yml")
    new.write_text(WORDS.replace("[darn]", "[darn, gosh]", 1))
    compared = stile("diff", str(new))
    assert (compared.returncode, compared.stdout) == (0, "rule rude: phrase added: 'gosh'\n"), compared.stderr


def test_keys_and_an_empty_archive(stile, home):
    """The private key is the owner's alone; a replay needs an archive."""
    made = stile("archive-key")
    assert made.returncode == 0, made.stderr
    assert (home / "archive.key").stat().st_mode & 0o777 == 0o600
    assert stile("archive-key").returncode == 1
    replayed = stile("replay", "--key", str(home / "archive.key"))
    assert (replayed.returncode, replayed.stderr) == (1, f"{home}/archive: there is no archive\n")
    assert stile("replay").returncode == 2


def test_a_bad_policy_stops_up_before_anything_starts(home, tmp_path):
    """Each fault is a line, the exit code is 1, and no part has started."""
    home.mkdir()
    (home / "policy.yml").write_text("# one\ntests: {refuse: [hello]}\n")
    ended = subprocess.run(
        [STILE, "up"],
        cwd=tmp_path,
        env={**os.environ, "STILE_HOME": str(home), "STILE_LLAMA_URL": "http://127.0.0.1:9", **PORTS},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    assert f"{home}/policy.yml:2: tests.refuse[0]: should be refused: it passes" in ended.stderr
    assert not (home / "logs").exists()
    assert not (home / "nats").exists()
    assert not (home / "credentials").exists()
