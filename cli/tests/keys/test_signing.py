"""The two files of the signing keys: how they are made, changed, and found not to fit."""

import os
import stat

import pytest
from nacl.signing import SigningKey

from stile.errors import CredentialsError
from stile.keys.signing import FORMER_KEY_SECONDS, check, ensure, public_file, rotate, seed_file
from stile_contracts import signing
from stile_runtime.installation import files


def lines(folder):
    """Return the ids and public keys that the consumers read."""
    text = public_file(folder).read_text().splitlines()
    return dict(line.split() for line in text if not line.startswith("#"))


def settle(folder):
    """Let as much time pass as the requests under the former key may wait."""
    past = public_file(folder).stat().st_mtime - FORMER_KEY_SECONDS - 1
    os.utime(public_file(folder), (past, past))


def test_the_first_key_is_made_once(tmp_path):
    """The seed is the owner's alone, the line is its public half, and a second call changes nothing."""
    folder = tmp_path / "credentials"
    key_id = ensure(folder)
    public = bytes(SigningKey(signing.decode(seed_file(folder).read_text().strip())).verify_key)
    assert lines(folder) == {key_id: signing.encode(public)}
    assert signing.key_id(public) == key_id
    assert stat.S_IMODE(seed_file(folder).stat().st_mode) == 0o600
    before = seed_file(folder).read_text(), public_file(folder).read_text()
    assert ensure(folder) == key_id
    assert (seed_file(folder).read_text(), public_file(folder).read_text()) == before
    assert key_id in check(folder)


def test_the_two_last_keys_are_believed(tmp_path):
    """What the former key has signed is still answered; the one before that is forgotten."""
    first = ensure(tmp_path)
    second = rotate(tmp_path)
    assert list(lines(tmp_path)) == [first, second]
    settle(tmp_path)
    third = rotate(tmp_path)
    assert list(lines(tmp_path)) == [second, third]
    assert ensure(tmp_path) == third


def test_a_second_change_within_the_hour_is_refused(tmp_path):
    """It would drop the first key, and requests that it has signed may still wait."""
    ensure(tmp_path)
    second = rotate(tmp_path)
    with pytest.raises(CredentialsError, match="--revoke"):
        rotate(tmp_path)
    assert ensure(tmp_path) == second


def test_a_revoked_key_is_believed_no_more(tmp_path):
    """Whoever has the seed has nothing."""
    ensure(tmp_path)
    rotate(tmp_path)
    third = rotate(tmp_path, revoke=True)
    assert list(lines(tmp_path)) == [third]


def test_consumers_know_a_key_before_it_signs(tmp_path, monkeypatch):
    """A crash between the two files leaves a key that signs and is believed, and the next change works."""
    first = ensure(tmp_path)
    written = []
    replace = files.replace

    def crash(path, secret):
        written.append(path)
        if path == seed_file(tmp_path):
            raise OSError
        replace(path, secret)

    monkeypatch.setattr(files, "replace", crash)
    with pytest.raises(OSError):  # noqa: PT011 -- it is our own
        rotate(tmp_path)
    monkeypatch.undo()
    assert written == [public_file(tmp_path), seed_file(tmp_path)]
    assert ensure(tmp_path) == first
    assert first in check(tmp_path)
    settle(tmp_path)
    second = rotate(tmp_path)
    assert list(lines(tmp_path)) == [first, second]


def test_a_lost_file_of_public_keys_is_written_again(tmp_path):
    """It holds nothing that the seed does not."""
    key_id = ensure(tmp_path)
    public_file(tmp_path).unlink()
    with pytest.raises(CredentialsError, match="signing is off"):
        check(tmp_path)
    assert ensure(tmp_path) == key_id
    assert list(lines(tmp_path)) == [key_id]


def test_files_that_do_not_fit_are_told(tmp_path):
    """A copied file of public keys without the key that signs would have every request dropped."""
    ensure(tmp_path / "one")
    other = ensure(tmp_path / "two")
    public_file(tmp_path / "two").replace(public_file(tmp_path / "one"))
    with pytest.raises(CredentialsError, match="would be dropped"):
        check(tmp_path / "one")
    mended = ensure(tmp_path / "one")
    assert list(lines(tmp_path / "one")) == [other, mended]


@pytest.mark.parametrize("text", ["short", "one two three\n", "0123456789abcdef AAAA\n", "ä\n"])
def test_a_file_of_something_else_is_told_by_its_name(tmp_path, text):
    """Neither file is written over where it holds what nobody expects."""
    ensure(tmp_path)
    public_file(tmp_path).write_text(text)
    with pytest.raises(CredentialsError, match=r"approval\.keys"):
        check(tmp_path)
    seed_file(tmp_path).write_text(text)
    with pytest.raises(CredentialsError, match=r"signing\.key"):
        ensure(tmp_path)


def test_a_seed_that_others_may_read_is_told(tmp_path):
    """A secret that is none is not used in silence."""
    ensure(tmp_path)
    seed_file(tmp_path).chmod(0o644)
    with pytest.raises(CredentialsError, match="read by others"):
        ensure(tmp_path)


def test_without_a_first_key_there_is_none_to_change(tmp_path):
    """A mistyped folder gets no keys."""
    with pytest.raises(CredentialsError, match="not there"):
        rotate(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
