"""`stile doctor`: what it prints, and its exit codes."""

import json
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from typer.testing import CliRunner

from stile.diagnosis import installation, machine
from stile.diagnosis.findings import Warned
from stile.diagnosis.installation import who_may_ask
from stile.errors import StileError
from stile.home import Home, find_root
from stile.main import app
from stile.settings import Settings
from stile_runtime.installation.state import PartState, PartStatus, State


def warn():
    raise Warned("look at it")


def fail():
    raise StileError("mend it")


@pytest.fixture
def doctor(monkeypatch, tmp_path):
    """Run the command with made-up checks."""
    monkeypatch.setenv("STILE_HOME", str(tmp_path))

    def run(*checks, options=()):
        made = {"good": lambda: "well", "odd": warn, "bad": fail}
        monkeypatch.setattr(machine, "checks", lambda *_: [(name, made[name]) for name in checks])
        monkeypatch.setattr(installation, "checks", lambda *_: [])
        result = CliRunner().invoke(app, ["doctor", *options])
        return result.exit_code, result.output

    return run


def test_each_result_has_its_exit_code(doctor):
    """The worst finding decides; all of them are shown."""
    assert doctor("good") == (0, "ok    good: well\n")
    assert doctor("odd", "good") == (5, "WARN  odd: look at it\nok    good: well\n")
    assert doctor("bad", "odd") == (6, "WRONG bad: mend it\nWARN  odd: look at it\n")


def test_for_programs(doctor):
    """The same as JSON."""
    code, shown = doctor("bad", "good", options=["--json"])
    assert code == 6
    assert json.loads(shown) == [
        {"name": "bad", "level": "wrong", "text": "mend it"},
        {"name": "good", "level": "ok", "text": "well"},
    ]


def test_a_setting_that_cannot_be_used_is_no_finding(monkeypatch, doctor):
    """Nothing is checked with it."""
    monkeypatch.setenv("STILE_PORT", "x")
    assert doctor("good")[0] == 1


def test_who_may_ask():
    """An open network without keys is a warning."""
    assert who_may_ask(is_shared=False, is_key_asked_for=False) == "anyone on this machine"
    assert who_may_ask(is_shared=True, is_key_asked_for=True) == "anyone with a key"
    with pytest.raises(Warned, match="stile keys add"):
        who_may_ask(is_shared=True, is_key_asked_for=False)


@pytest.mark.parametrize(("status", "said"), [(200, "anyone on this machine"), (401, "anyone with a key")])
def test_a_gateway_is_asked_where_it_listens(monkeypatch, tmp_path, status, said):
    """That may be one address of the machine alone."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    monkeypatch.setenv("STILE_HOME", str(tmp_path))
    settings = Settings.load()
    with HTTPServer(("127.0.0.2", 0), Answer) as server:
        Thread(target=server.handle_request, daemon=True).start()
        gateway = PartStatus("gateway", os.getpid(), PartState.RUNNING, server.server_port)
        running = State(os.getpid(), 0.0, (gateway,), ready=True)
        found = dict(installation.checks(settings, find_root(settings), Home(tmp_path), running))
        assert found["who may ask"]() == said
