"""Direct clients: their names and keys."""

import stat

import pytest
from typer.testing import CliRunner

from stile.errors import StileError
from stile.home import Home
from stile.main import app
from stile.nats import clients, introduction
from stile_runtime.settings import SettingsError


@pytest.mark.parametrize("name", ["http-x", "APP", "SYS", "gateway", "a.b", "", "a b", "*", "x" * 65])
def test_names_that_no_client_may_have(tmp_path, name):
    """Names are subject tokens, and none of Stile's own."""
    with pytest.raises(SettingsError):
        clients.make(Home(tmp_path), name)
    assert clients.registered(Home(tmp_path)) == {}


def test_a_client_is_made_once(tmp_path):
    """The seed is for its owner's eyes; a second one of the same name is refused."""
    home = Home(tmp_path)
    clients.make(home, "alice")
    seed = home.clients / "alice.nk"
    assert stat.S_IMODE(seed.stat().st_mode) == 0o600
    assert clients.registered(home)["alice"].startswith("U")
    with pytest.raises(SettingsError, match="there is a client alice"):
        clients.make(home, "alice")


def test_no_seed_is_left_if_the_server_does_not_hear_of_it(tmp_path, monkeypatch):
    """The configuration does not have the client any more: nobody needs its seed."""

    async def dismiss(*_):
        raise StileError("restart it")

    monkeypatch.setenv("STILE_HOME", str(tmp_path))
    home = Home(tmp_path)
    home.nats.mkdir()
    clients.make(home, "alice")
    monkeypatch.setattr(clients, "server_pid", lambda _: 1)
    monkeypatch.setattr(introduction, "dismiss", dismiss)
    with pytest.raises(StileError, match="restart it"):
        CliRunner().invoke(app, ["clients", "remove", "alice"], catch_exceptions=False, standalone_mode=False)
    assert list(home.clients.iterdir()) == []


def test_a_client_is_removed(tmp_path, monkeypatch):
    """Its account and its seed are gone; the others stay. Without a nats-server that is all."""
    monkeypatch.setenv("STILE_HOME", str(tmp_path))
    home = Home(tmp_path)
    home.nats.mkdir()
    for name in ("alice", "bob"):
        clients.make(home, name)
    bob = clients.registered(home)["bob"]
    CliRunner().invoke(app, ["clients", "remove", "alice"], catch_exceptions=False)
    assert clients.registered(home) == {"bob": bob}
    assert [path.name for path in home.clients.iterdir()] == ["bob.nk"]
    written = (home.nats / "clients.conf").read_text()
    assert ('"bob"' in written, '"alice"' in written) == (True, False)
    for name in ("alice", "../credentials/gateway"):
        with pytest.raises(SettingsError, match="no client"):
            CliRunner().invoke(
                app, ["clients", "remove", name], catch_exceptions=False, standalone_mode=False
            )
