"""The variables of `stile`."""

import pytest

from stile.settings import Settings
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


def test_addresses_to_connect_to():
    """What listens everywhere is reached on loopback."""
    assert Settings(host="0.0.0.0", port=1).url == "http://127.0.0.1:1"  # noqa: S104
    assert Settings(host="::", port=1).url == "http://[::1]:1"
    assert Settings(host="192.0.2.1", port=1).url == "http://192.0.2.1:1"


def test_who_may_reach_the_gateway():
    """Loopback is this machine's alone; what else is bound may be reached by others."""
    assert not any(Settings(host=host).is_shared for host in ("127.0.0.1", "127.0.0.9", "::1", "localhost"))
    assert all(Settings(host=host).is_shared for host in ("0.0.0.0", "::", "192.0.2.1", "box.lan"))  # noqa: S104


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
