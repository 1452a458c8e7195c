"""What a command costs before it does anything: the modules that it imports."""

import subprocess
import sys
from functools import cache
from importlib.metadata import version

import pytest

from stile.main import Commands

HEAVY = {
    "anyio",
    "fastapi",
    "httpx",
    "huggingface_hub",
    "nats",
    "numpy",
    "pydantic_settings",
    "rich",
    "structlog",
    "xllamacpp",
}
"""Each takes a tenth of a second or more, and `--help` needs none."""
CALL = """
import sys
from stile.main import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("imported:", *sys.modules)
"""


@cache
def call(*arguments):
    """Return what a command writes, and the names of the packages that it has imported."""
    done = subprocess.run(
        [sys.executable, "-c", CALL, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    shown, _, imported = done.stdout.rpartition("imported: ")
    return shown, {name.partition(".")[0] for name in imported.split()}


@pytest.mark.parametrize("command", [None, *Commands.entries])
def test_help_imports_nothing_heavy(command):
    """Neither the list of all commands nor the help of one."""
    shown, imported = call(*filter(None, [command]), "--help")
    assert shown.startswith("Usage: ")
    assert imported & HEAVY == set()


def test_the_list_of_commands_imports_none_of_them():
    """Each has a line, which is the beginning of its own help."""
    shown, imported = call("--help")
    assert "pydantic" not in imported
    listed = shown.partition("Commands:")[2]
    for name, entry in Commands.entries.items():
        assert f"\n  {name} " in listed
        own, _ = call(name, "--help")
        assert entry.help.rstrip(".") in " ".join(own.split()).replace("nats- ", "nats-")


def test_the_version():
    """As pip knows it."""
    shown, imported = call("--version")
    assert shown == f"stile {version('stile-cli')}\n"
    assert imported & HEAVY == set()
