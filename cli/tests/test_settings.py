"""Settings, ports, names, logs and state: what needs no other program."""

import os
import socket
import stat

import pytest

from stile import clients, credentials_command, nats_config, nats_tls, parts, ports, state
from stile.errors import PortError
from stile.log import PartLog
from stile.settings import Home, Settings, find_root
from stile.state import PartState, PartStatus, State
from stile.terminal import Terminal
from stile_runtime.settings import SettingsError


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("STILE_PORT", "abc"),
        ("STILE_PORT", "70000"),
        ("STILE_CONTEXT", "-1"),
        ("STILE_THREADS", "0"),
        ("STILE_LLAMA_URL", "127.0.0.1:11434"),
    ],
)
def test_a_wrong_value_is_named(monkeypatch, variable, value):
    """One line names the variable, and does not show what it was set to: it may be a secret."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"^{variable}: [^\n]+$") as raised:
        Settings.load()
    assert value not in str(raised.value)


def test_an_empty_variable_is_an_unset_one(monkeypatch):
    """Compose files and unit files set empty variables where nobody chose."""
    monkeypatch.setenv("STILE_PORT", "")
    assert Settings.load().port == 8000


def test_stiles_own_files_are_found_or_missed_by_name(tmp_path):
    """In a checkout they are found; a STILE_ROOT without them is an error."""
    assert find_root(Settings()).streams.is_file()
    with pytest.raises(SettingsError, match="STILE_ROOT"):
        find_root(Settings(root=tmp_path))


def test_addresses_to_connect_to():
    """What listens everywhere is reached on loopback."""
    assert Settings(host="0.0.0.0", port=1).url == "http://127.0.0.1:1"  # noqa: S104
    assert Settings(host="::", port=1).url == "http://[::1]:1"
    assert Settings(host="192.0.2.1", port=1).url == "http://192.0.2.1:1"


def test_who_may_reach_the_gateway():
    """Loopback is this machine's alone; what else is bound may be reached by others."""
    assert not any(Settings(host=host).is_shared for host in ("127.0.0.1", "127.0.0.9", "::1", "localhost"))
    assert all(Settings(host=host).is_shared for host in ("0.0.0.0", "::", "192.0.2.1", "box.lan"))  # noqa: S104


def listen():
    """Take a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, listener.getsockname()[1]


def test_a_taken_port_is_told_with_its_holder_and_variable():
    """The message says who wanted it, who has it and what moves it."""
    listener, port = listen()
    with listener, pytest.raises(PortError) as raised:
        ports.require_free("gateway", "127.0.0.1", port, "STILE_PORT")
    text = str(raised.value)
    assert "gateway" in text
    assert "STILE_PORT" in text
    assert f"pid {os.getpid()}" in text


def test_ports_that_move_by_themselves():
    """A preferred port that is taken gives way to a free one."""
    listener, port = listen()
    with listener:
        chosen = ports.choose(port, set())
    assert chosen != port
    assert ports.choose(chosen, {chosen}) != chosen


def test_two_parts_cannot_have_one_port():
    """Variables that are set to the same port are named."""
    listener, port = listen()
    listener.close()
    with pytest.raises(PortError, match=r"STILE_NATS_PORT and STILE_PORT are both"):
        parts.check_ports(
            Settings(nats_port=port, port=port, llama_url="http://x", consumer_port=ports.choose(1, set()))
        )


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


def test_no_seed_stands_in_the_configuration(tmp_path):
    """What nats-server reads holds public keys alone."""
    home = Home(tmp_path)
    clients.make(home, "alice")
    source = find_root(Settings()).nats
    nats_config.write(source, home.nats, {"gateway": "UGATEWAY"}, clients.registered(home))
    seed = (home.clients / "alice.nk").read_text().strip()
    texts = [path.read_text() for path in home.nats.iterdir()]
    assert {"nats-server.conf", "cluster.conf", "clients.conf"} <= {path.name for path in home.nats.iterdir()}
    assert not any(seed in text for text in texts)


def test_the_routes_password_is_made_once_and_shown_to_nobody(tmp_path, monkeypatch):
    """It stands in two files that their owner alone reads; what is no HOST:PORT stops the command."""
    monkeypatch.setenv("STILE_HOME", str(tmp_path))
    credentials_command.credentials(routes="nats-1:6222, 10.0.0.2:6222,[::1]:6222")
    home = Home(tmp_path)
    password = (home.credentials / "route.secret").read_text()
    written = home.nats / "routes.conf"
    for file in (written, home.credentials / "route.secret"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert written.read_text().count(password) == 4
    credentials_command.credentials(routes="nats-1:6222")
    assert (home.credentials / "route.secret").read_text() == password
    for wrong in ("nats-1", "nats-1:6222,:6222", "nats-1:x", 'a"b:1'):
        with pytest.raises(SettingsError, match="STILE_NATS_ROUTES"):
            credentials_command.credentials(routes=wrong)


def test_state_of_a_supervisor_that_is_gone_is_not_believed(tmp_path):
    """A process id that somebody else has now is not taken for the supervisor's, nor for a part's."""
    path = tmp_path / "state.json"
    me, born = os.getpid(), state.created(os.getpid())
    right = PartStatus("nats", pid=me, state=PartState.RUNNING, port=1, created=born)
    wrong = PartStatus("llama", pid=me, state=PartState.RUNNING, port=2, created=born - 5)
    state.write(path, State(me, born, (right, wrong)))
    first, second = state.read(path).parts
    assert first == right
    assert (second.pid, second.state) == (None, PartState.RESTARTING)
    state.write(path, State(me, born - 5, (right,)))
    assert state.read(path) is None
    path.write_text("{")
    assert state.read(path) is None


def test_log_lines_come_in_pieces(tmp_path, capfd):
    """Lines are put together, whatever the pieces; what has no end is written at the end."""
    log = PartLog("nats", tmp_path, Terminal())
    for piece in (b"on", b"e\ntwo\r\nth", b"ree"):
        log.feed(piece)
    log.close()
    assert log.last_lines == ("one", "two", "three")
    assert (tmp_path / "nats.log").read_text() == "one\ntwo\nthree\n"
    assert capfd.readouterr().out.splitlines()[0].endswith("| one")


def test_logs_do_not_grow_without_end(tmp_path, monkeypatch, capfd):
    """A full file is set aside, and only some are kept."""
    monkeypatch.setattr("stile.log.MAX_BYTES", 1000)
    log = PartLog("nats", tmp_path, Terminal())
    for number in range(500):
        log.feed(f"line {number}\n".encode())
    log.close()
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 4
    assert max(sizes) <= 1000
    assert "line 499" in (tmp_path / "nats.log").read_text()
    capfd.readouterr()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("LEAF_CERT",), "STILE_NATS_LEAF_KEY"),
        (("LEAF_CLIENT_CA",), "STILE_NATS_LEAF_CERT"),
        (("SITE_KEY",), "STILE_NATS_SITE_CERT"),
        (("LINK_CERT", "LINK_KEY"), "STILE_NATS_LINK_CA"),
        (("LINK_CA", "LINK_KEY"), "STILE_NATS_LINK_CERT"),
        (("CLUSTER_CERT", "CLUSTER_KEY"), "STILE_NATS_CLUSTER_CA"),
    ],
)
def test_half_of_what_tls_needs_stops_the_start(monkeypatch, given, named):
    """A port that was meant to be encrypted is never opened in plain text."""
    for name in given:
        monkeypatch.setenv(f"STILE_NATS_{name}", __file__)
    with pytest.raises(SettingsError, match=named):
        Settings.load()


def test_a_sites_folder_carries_its_certificates(tmp_path):
    """Each is copied for its owner's eyes, and called by its name alone: the folder goes elsewhere."""
    pem = tmp_path / "some.pem"
    pem.write_text("a key")
    folder = tmp_path / "site"
    folder.mkdir()
    link = {"nats_link_ca": pem, "nats_link_cert": pem, "nats_link_key": pem}
    written = nats_tls.of_site(Settings(**link), folder)
    assert written["tls.conf"] == ""
    for part in ("ca", "cert", "key"):
        copied = folder / f"link-{part}.pem"
        assert (copied.read_text(), stat.S_IMODE(copied.stat().st_mode)) == ("a key", 0o600)
        assert f'{part}_file: "{copied.name}"' in written["link-tls.conf"]
