"""Who asks, and how much they may: keys, lanes, limits, and a file that changes."""

import os

import pytest

from stile_contracts.subjects import Lane, is_token
from stile_gateway.clients.callers import Caller, Callers
from stile_gateway.clients.keyring import KeyRing
from stile_gateway.errors import ClientLimitError, InvalidApiKeyError, InvalidHeaderError
from stile_runtime.api_keys import ApiKey, ApiKeys, KeyFileError, digest, new_key


class Clock:
    """Seconds, as a test says."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def entry(name, key="secret", **fields):
    return ApiKey(name=name, sha256=digest(key), **fields)


def write(path, *entries):
    """Write the file as `stile keys` does: a new one takes the old one's place."""
    draft = path.with_suffix(".new")
    draft.write_text(ApiKeys(keys=entries).model_dump_json())
    draft.rename(path)


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def test_a_key_is_known_by_its_digest(tmp_path):
    """The client on the bus is the key's name; all else is refused in the same words."""
    write(tmp_path / "keys", entry("alice", "a"), entry("bob", "b"))
    callers = Callers(KeyRing(tmp_path / "keys"))
    caller = callers.identify(bearer("b"), "10.0.0.1")
    assert (caller.client, caller.lane(None)) == ("http-bob", Lane.INTERACTIVE)
    assert callers.identify({"Authorization": "bearer  a"}, "x").client == "http-alice"
    for headers in ({}, bearer("c"), bearer(""), {"Authorization": "b"}, {"Authorization": "Basic b"}):
        with pytest.raises(InvalidApiKeyError):
            callers.identify(headers, "10.0.0.1")


def test_a_key_may_come_as_anthropics_clients_send_it(tmp_path):
    """Beside no other; a bearer token outweighs it."""
    write(tmp_path / "keys", entry("alice", "a"), entry("bob", "b"))
    callers = Callers(KeyRing(tmp_path / "keys"))
    assert callers.identify({"X-Api-Key": "b"}, "10.0.0.1").client == "http-bob"
    assert callers.identify({"X-Api-Key": "b", **bearer("a")}, "10.0.0.1").client == "http-alice"
    for headers in ({"X-Api-Key": "c"}, {"X-Api-Key": ""}, {"X-Api-Key": "a", **bearer("c")}):
        with pytest.raises(InvalidApiKeyError):
            callers.identify(headers, "10.0.0.1")


def test_without_keys_the_address_asks():
    """Whatever the header says."""
    assert Callers().identify(bearer("x"), "10.0.0.1").client == "http-10-0-0-1"


def test_a_changed_file_is_taken_up_and_a_broken_one_is_not(tmp_path, clock):
    """Within a second or so; a file that cannot be read locks nobody out, and lets nobody in."""
    path = tmp_path / "keys"
    write(path, entry("alice", "a"))
    ring = KeyRing(path, clock)
    write(path, entry("bob", "b"))
    assert ring.find("a").name == "alice"
    clock.now += 1
    assert (ring.find("a"), ring.find("b").name) == (None, "bob")
    path.write_text("{")
    clock.now += 1
    assert ring.find("b").name == "bob"
    path.unlink()
    clock.now += 1
    assert ring.find("b").name == "bob"
    write(path)
    clock.now += 1
    assert ring.find("b") is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"keys": [{"name": "a b", "sha256": "' + "0" * 64 + '"}]}',
        '{"keys": [{"name": "a", "sha256": "secret"}]}',
        '{"keys": [{"name": "a", "sha256": "' + "0" * 64 + '", "max_inflight": 1}]}',
    ],
)
def test_a_file_that_holds_no_keys_is_told(tmp_path, content):
    """A limit that is misspelt would be no limit: nothing unknown is passed over."""
    path = tmp_path / "keys"
    path.write_text(content)
    with pytest.raises(KeyFileError):
        KeyRing(path)


def test_keys_are_asked_for_as_soon_as_there_is_a_file(tmp_path, clock):
    """And from then on: the last key may be revoked and the file may go, and still nobody gets in without."""
    path = tmp_path / "home" / "keys"
    ring = KeyRing(path, clock)
    callers = Callers(ring)
    assert callers.identify({}, "10.0.0.1").client == "http-10-0-0-1"
    path.parent.mkdir()
    write(path, entry("alice", "a"))
    clock.now += 1
    assert callers.identify(bearer("a"), "10.0.0.1").client == "http-alice"
    for change in (lambda: write(path), path.unlink, path.mkdir):
        change()
        clock.now += 1
        assert callers.need_keys
        for headers in ({}, bearer("b")):
            with pytest.raises(InvalidApiKeyError):
                callers.identify(headers, "10.0.0.1")


@pytest.mark.parametrize("content", ["", "{", '{"keys": [{"name": "a"}]}'])
def test_a_first_file_that_cannot_be_read_lets_nobody_in(tmp_path, clock, content):
    """Somebody has meant keys to be asked for; which is not known before the file is mended."""
    path = tmp_path / "keys"
    callers = Callers(KeyRing(path, clock))
    assert not callers.need_keys
    path.write_text(content)
    clock.now += 1
    with pytest.raises(InvalidApiKeyError):
        callers.identify(bearer("a"), "10.0.0.1")
    write(path, entry("alice", "a"))
    clock.now += 1
    assert callers.identify(bearer("a"), "10.0.0.1").client == "http-alice"


def test_a_batch_key_waits_in_batch():
    """A key's lane is what it gets unasked; one of the lane batch gets no other."""
    batch, interactive = (Caller("http-x", entry("x", lane=lane)) for lane in (Lane.BATCH, Lane.INTERACTIVE))
    assert batch.lane(None) is batch.lane("batch") is interactive.lane("batch") is Lane.BATCH
    with pytest.raises(InvalidHeaderError):
        batch.lane("interactive")
    with pytest.raises(InvalidHeaderError):
        interactive.lane("express")


def test_requests_at_once_are_limited():
    """One too many is told to come back, whether the others are open or held for who comes back."""
    caller = Caller("http-x", entry("x", max_in_flight=2))
    callers = Callers()
    callers.admit(caller, 1)
    with pytest.raises(ClientLimitError) as raised:
        callers.admit(caller, 2)
    assert raised.value.retry_after == 1
    with callers.at_once(caller):
        with callers.at_once(caller), pytest.raises(ClientLimitError), callers.at_once(caller):
            pass
        with callers.at_once(caller), callers.at_once(Caller("http-y")):
            pass


def test_requests_a_minute_are_limited(clock):
    """A minute's worth at once, then one whenever its share of the minute has passed, and no more."""
    callers = Callers(clock=clock)
    caller = Caller("http-x", entry("x", requests_per_minute=6))
    for _ in range(6):
        callers.spend(caller)
    with pytest.raises(ClientLimitError) as raised:
        callers.spend(caller)
    assert raised.value.retry_after == pytest.approx(10)
    callers.spend(Caller("http-y", entry("y", requests_per_minute=6)))
    clock.now += raised.value.retry_after
    callers.spend(caller)
    with pytest.raises(ClientLimitError):
        callers.spend(caller)
    clock.now += 3600
    for _ in range(6):
        callers.spend(caller)
    with pytest.raises(ClientLimitError):
        callers.spend(caller)


def test_what_is_left_of_a_minute_is_told(clock):
    """Whole requests, and the time until all are there again; a key without the limit has none."""
    callers = Callers(clock=clock)
    caller = Caller("http-x", entry("x", requests_per_minute=6))
    assert callers.left(caller) == (6, 6, 0)
    for _ in range(6):
        callers.spend(caller)
    assert callers.left(caller) == (6, 0, pytest.approx(60))
    clock.now += 15
    assert callers.left(caller) == (6, 1, pytest.approx(45))
    clock.now += 3600
    assert callers.left(caller) == (6, 6, 0)
    assert callers.left(Caller("http-y", entry("y"))) is callers.left(Caller("http-z")) is None


def test_a_key_is_long_and_its_name_fits_the_bus():
    """256 random bits; the longest name is one token."""
    assert len({new_key() for _ in range(100)}) == 100
    assert len(new_key()) == len("sk-stile-") + 43
    assert is_token(entry("x" * 59).client)


def test_looking_at_the_file_costs_little(tmp_path, clock, monkeypatch):
    """It is looked at once a second, not once a request."""
    write(tmp_path / "keys", entry("alice", "a"))
    ring = KeyRing(tmp_path / "keys", clock)
    looks = []
    real = os.stat
    monkeypatch.setattr(os, "stat", lambda *args, **kwargs: looks.append(args) or real(*args, **kwargs))
    for _ in range(10):
        ring.find("a")
    assert looks == []
