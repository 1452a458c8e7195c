"""Which tests a run has (tests/README.md), and what holds for all of them."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.processes import fork_server
from harness.processes.rings import Ring, no_processes, ring_of

# Tests start hundreds of processes; each would compile every module again if none were allowed to keep that.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# What the developer has set for an installation of their own is none of the tests' business.
for _name in [name for name in os.environ if name.startswith("STILE_")]:
    del os.environ[_name]

ROOT = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--ring``."""
    parser.addoption(
        "--ring",
        action="append",
        choices=[ring.value for ring in Ring],
        help="only the tests of this ring; may be given again; without it whatever is named",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the files of other rings, before they are imported."""
    wanted = config.getoption("--ring")
    if not wanted or not collection_path.name.startswith("test_"):
        return None
    return True if ring_of(collection_path.relative_to(ROOT)) not in wanted else None


@pytest.fixture(scope="session", autouse=True)
def _fork_servers() -> Iterator[None]:
    if sys.platform == "linux":
        fork_server.serve()
    yield
    fork_server.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Let no fixture of ``make check`` start a process."""
    with _guard(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Nor a test itself."""
    with _guard(item):
        return (yield)


def _guard(item: pytest.Item) -> contextlib.AbstractContextManager[None]:
    is_check = ring_of(item.path.relative_to(ROOT)) is Ring.CHECK
    return no_processes() if is_check else contextlib.nullcontext()
