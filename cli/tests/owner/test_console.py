"""`stile console`: the link."""

import os

import pytest
from typer.testing import CliRunner

from stile.errors import StileError
from stile.home import Home
from stile.main import app
from stile_runtime.installation import console_tokens, state
from stile_runtime.installation.state import PartState, PartStatus, State


def link(home, *parts):
    """Print a link while these parts run."""
    state.write(home.state, State(os.getpid(), state.created(os.getpid()), parts, ready=True))
    return CliRunner().invoke(app, ["console"], catch_exceptions=False, standalone_mode=False).stdout


def test_a_link_opens_the_console_that_runs(monkeypatch, tmp_path):
    """On its own port; without a console there is no link, and no token is made."""
    monkeypatch.setenv("STILE_HOME", str(tmp_path))
    home = Home(tmp_path)
    with pytest.raises(StileError, match="STILE_CONSOLE=off"):
        link(home)
    assert not home.console_tokens.exists()
    printed = link(home, PartStatus("console", state=PartState.RUNNING, port=8091))
    address, _, token = printed.strip().partition("/#token=")
    assert address == "http://127.0.0.1:8091"
    assert console_tokens.spend(home.console_tokens, token)
    assert token not in home.console_tokens.read_text()
