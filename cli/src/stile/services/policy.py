"""The filter's own commands on a policy, run for this installation.

`stile` does not depend on the filter's package: it runs ``stile-filter policy`` as a child process, in the
environment that the filter itself would have (docs/adr/0034).
"""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from stile.errors import PolicyError
from stile.home import Home
from stile.settings import Settings
from stile.supervise.programs import program


def environment(settings: Settings, home: Home) -> dict[str, str]:
    """Return the variables that say which policy and which archive the filter has."""
    policy = _policy_file(settings, home)
    return {
        "STILE_ARCHIVE": str((settings.archive or home.archive).absolute()),
        **({"STILE_POLICY": _absolute(policy)} if policy else {}),
    }


def run(settings: Settings, home: Home, arguments: Sequence[str]) -> int:
    """Run ``stile-filter policy`` with this process's terminal, and return its exit code.

    Raises:
        PartError: the filter is not installed.
    """
    return subprocess.run(
        [program("stile-filter"), "policy", *arguments],
        env=os.environ | environment(settings, home) | {"STILE_HOME": str(home.folder)},
        check=False,
    ).returncode


class Checked(NamedTuple):
    """A policy that can be used."""

    file: Path
    version: str
    rules: int
    tests: int
    """How many of its own passed."""

    def __str__(self) -> str:
        return f"{self.file}: good; version {self.version}, {self.rules} rules, {self.tests} tests passed"


def check(settings: Settings, home: Home) -> Checked:
    """Read the policy, start its scanners and run its tests.

    Raises:
        PolicyError: it can't be used.
        PartError: the filter is not installed.
    """
    checked = subprocess.run(
        [program("stile-filter"), "policy", "check", "--json"],
        env=os.environ | environment(settings, home) | {"STILE_HOME": str(home.folder)},
        check=False,
        capture_output=True,
        text=True,
    )
    if checked.returncode:
        raise PolicyError(f"the policy can't be used:\n{checked.stderr.strip()}")
    found = json.loads(checked.stdout)
    return Checked(Path(found["file"]), found["version"], found["rules"], found["tests"])


def for_console(settings: Settings, home: Home, checked: Checked) -> dict[str, str]:
    """Return the variables that say which policy the console shows, and which file it may write."""
    may_write = settings.policy is None or not is_bundled(settings.policy)
    target = _policy_file(settings, home) or home.policy
    return {
        "STILE_ARCHIVE": str((settings.archive or home.archive).absolute()),
        "STILE_POLICY": str(checked.file),
        **({"STILE_POLICY_TARGET": str(target.absolute())} if may_write else {}),
    }


def _policy_file(settings: Settings, home: Home) -> Path | None:
    if settings.policy is not None:
        return settings.policy
    return home.policy if home.policy.exists() else None


def is_bundled(policy: Path) -> bool:
    """Return whether a policy is a bare name, such as ``school``: one of the filter's own."""
    return not policy.suffix and policy.name == str(policy)


def _absolute(policy: Path) -> str:
    return str(policy if is_bundled(policy) else policy.absolute())
