"""Which names a request may be sent to where no key is asked for."""

import socket

import pytest

from stile_runtime.web.hosts import Hosts, is_loopback


def is_own(said, bound="127.0.0.1", names=()):
    return Hosts(bound, names).are_own([said])


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "Box.lan.example")


@pytest.mark.parametrize(
    "said",
    [
        "localhost",
        "localhost:8000",
        "LocalHost.",
        "stile.localhost:8000",
        "127.0.0.1",
        "127.9.9.9:1",
        "[::1]:8000",
        "[::ffff:127.0.0.1]",
        "box",
        "box.local:8000",
        "box.lan.example",
    ],
)
def test_this_machines_names(said):
    """Loopback's, and its own, in upper or lower case, with a port or without."""
    assert is_own(said)


@pytest.mark.parametrize(
    "said",
    [
        "evil.example",
        "evil.example:8000",
        "EVIL.example.",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil-localhost",
        ".localhost",
        "notlocalhost",
        "localhost@evil.example",
        "evil.example:80@localhost",
        "localhost:8000, evil.example",
        "localhost evil.example",
        "localhost\tevil.example",
        "localhost\n",
        "local\u0131host",
        "[localhost]",
        "[127.0.0.1]",
        "[::1",
        "::1",
        "[::1]evil.example",
        "192.0.2.1",
        "[2001:db8::1]",
        "127.1",
        "2130706433",
        "localhost:x",
        "localhost..",
        "",
        ":8000",
        ".",
    ],
)
def test_other_names(said):
    """Whatever it looks like, it is none of this machine's."""
    assert not is_own(said)


def test_one_name_must_be_said():
    """None, or two, of which another reader may take the other, are refused."""
    for said in ([], ["localhost", "evil.example"], ["localhost", "localhost"]):
        assert not Hosts("127.0.0.1").are_own(said)


def test_the_address_that_is_bound_is_one():
    """If one address is bound, only that one; if all are, each of them. Pages of other sites have names."""
    assert is_own("192.0.2.1:8000", "192.0.2.1")
    assert not is_own("192.0.2.2", "192.0.2.1")
    assert is_own("stile.lan", "stile.lan")
    for bound in ("0.0.0.0", "::"):  # noqa: S104 -- nothing is bound
        assert is_own("192.0.2.2:8000", bound)
        assert is_own("[2001:db8::1]", bound)
        assert not is_own("evil.example", bound)


def test_further_names_are_set():
    """They count as they are, and nothing below them."""
    names = ("stile.example", "203.0.113.9")
    assert is_own("Stile.Example.:443", names=names)
    assert is_own("203.0.113.9", names=names)
    assert not is_own("a.stile.example", names=names)


def test_what_is_reached_from_this_machine_alone():
    """Any other address may be reached by others."""
    assert all(map(is_loopback, ("127.0.0.1", "127.0.0.2", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.0.2.1", "box.lan")))  # noqa: S104 -- nothing is bound
