"""What nats-server is configured with."""

import stat

import pytest

from stile.commands.setup import credentials
from stile.home import Home, find_root
from stile.nats import clients, config, tls
from stile.settings import Settings
from stile_runtime.settings import SettingsError


def test_no_seed_stands_in_the_configuration(tmp_path):
    """What nats-server reads holds public keys alone."""
    home = Home(tmp_path)
    clients.make(home, "alice")
    source = find_root(Settings()).nats
    config.write(source, home.nats, {"gateway": "UGATEWAY"}, clients.registered(home))
    seed = (home.clients / "alice.nk").read_text().strip()
    texts = [path.read_text() for path in home.nats.iterdir()]
    assert {"nats-server.conf", "cluster.conf", "clients.conf"} <= {path.name for path in home.nats.iterdir()}
    assert not any(seed in text for text in texts)


def test_the_routes_password_is_made_once_and_shown_to_nobody(tmp_path, monkeypatch):
    """It stands in two files that their owner alone reads; what is no HOST:PORT stops the command."""
    monkeypatch.setenv("STILE_HOME", str(tmp_path))
    credentials.credentials(routes="nats-1:6222, 10.0.0.2:6222,[::1]:6222")
    home = Home(tmp_path)
    password = (home.credentials / "route.secret").read_text()
    written = home.nats / "routes.conf"
    for file in (written, home.credentials / "route.secret"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert written.read_text().count(password) == 4
    credentials.credentials(routes="nats-1:6222")
    assert (home.credentials / "route.secret").read_text() == password
    for wrong in ("nats-1", "nats-1:6222,:6222", "nats-1:x", 'a"b:1'):
        with pytest.raises(SettingsError, match="STILE_NATS_ROUTES"):
            credentials.credentials(routes=wrong)


def test_a_sites_folder_carries_its_certificates(tmp_path):
    """Each is copied for its owner's eyes, and called by its name alone: the folder goes elsewhere."""
    pem = tmp_path / "some.pem"
    pem.write_text("a key")
    folder = tmp_path / "site"
    folder.mkdir()
    link = {"nats_link_ca": pem, "nats_link_cert": pem, "nats_link_key": pem}
    written = tls.of_site(Settings(**link), folder)
    assert written["tls.conf"] == ""
    for part in ("ca", "cert", "key"):
        copied = folder / f"link-{part}.pem"
        assert (copied.read_text(), stat.S_IMODE(copied.stat().st_mode)) == ("a key", 0o600)
        assert f'{part}_file: "{copied.name}"' in written["link-tls.conf"]
