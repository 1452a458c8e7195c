"""`stile restart`: which parts can be restarted."""

import os

import pytest
from typer.testing import CliRunner

from stile.errors import StileError
from stile.home import Home
from stile.main import app
from stile_runtime.installation import state
from stile_runtime.installation.state import PartState, PartStatus, State


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("console", "given up: `stile logs console`"),
        ("llama", "STILE_LLAMA_URL"),
        ("gate", "there are: llama, gateway, console"),
    ],
)
def test_what_cannot_be_restarted_is_said_at_once(monkeypatch, tmp_path, part, said):
    """Nobody waits for a part that does not come back."""
    home = Home(tmp_path)
    parts = (
        PartStatus("llama", state=PartState.EXTERNAL),
        PartStatus("gateway", state=PartState.RUNNING, pid=os.getpid(), created=state.created(os.getpid())),
        PartStatus("console", state=PartState.STOPPED),
    )
    created = state.created(os.getpid())
    state.write(home.state, State(os.getpid(), created, parts, ready=True, takes_restarts=True))
    monkeypatch.setenv("STILE_HOME", str(tmp_path))
    with pytest.raises(StileError, match=said):
        CliRunner().invoke(app, ["restart", part], catch_exceptions=False, standalone_mode=False)
    assert not home.restarts.exists()
