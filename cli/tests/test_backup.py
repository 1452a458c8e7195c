"""`stile backup` and `stile restore`."""

import io
import os
import shutil
import stat
import tarfile

import pytest
from typer.testing import CliRunner

from stile.errors import BackupError
from stile.home import Home
from stile.keys import credentials, signing
from stile.main import app
from stile.supervise import lock


@pytest.fixture
def home(tmp_path):
    """An installation with keys, a client, a policy, an archive, streams and logs."""
    home = Home(tmp_path / "a home")
    credentials.ensure(home.credentials)
    signing.ensure(home.credentials)
    credentials.ensure(home.clients, ("alice",))
    for file in (
        home.api_keys,
        home.policy,
        home.archive / "2026" / "1.sealed",
        home.archive_key,
        home.store / "jetstream" / "block",
        home.logs / "nats.log",
        home.nats / "nkeys.conf",
        home.credentials / ".half.new",
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{file.name} of before")
    return home


@pytest.fixture
def stile(monkeypatch):
    """Run a command on an installation; return what it says."""

    def run(home, *arguments):
        monkeypatch.setenv("STILE_HOME", str(home.folder))
        result = CliRunner().invoke(app, arguments, catch_exceptions=False, standalone_mode=False)
        return result.output

    return run


def content(folder):
    """Return every file's bytes, by its path; without the lock, which is empty."""
    files = [path for path in folder.rglob("*") if path.is_file() and path != Home(folder).lock]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def running(home):
    """Hold the lock, as a `stile up` does from its first moment on."""
    return lock.held(home, AssertionError("it is free"))


def test_what_cannot_be_made_anew_comes_back(stile, home, tmp_path):
    """While it runs: keys, clients, policy, archive; backup and restored files are the owner's alone."""
    file = tmp_path / "backup.tar.gz"
    with running(home):
        stile(home, "backup", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    other = Home(tmp_path / "other")
    stile(other, "restore", str(file))
    before = content(home.folder)
    lasting = ("credentials/", "clients/", "api-keys.json", "policy.yml", "archive")
    assert content(other.folder) == {
        name: text
        for name, text in before.items()
        if name.startswith(lasting) and not name.endswith(".half.new")
    }
    assert credentials.ensure(other.credentials) == credentials.ensure(home.credentials)
    for path in set(other.folder.rglob("*")) - {other.lock}:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_the_streams_only_when_they_stand_still(stile, home, tmp_path):
    """Refused while nats-server may write."""
    file = tmp_path / "backup.tar.gz"
    with running(home), pytest.raises(BackupError, match="`stile down` first"):
        stile(home, "backup", "--data", str(file))
    stile(home, "backup", "--data", str(file))
    other = Home(tmp_path / "other")
    stile(other, "restore", str(file))
    assert (other.store / "jetstream" / "block").read_text() == "block of before"


def test_nothing_is_overwritten_unawares(stile, home, tmp_path):
    """Neither a backup, nor an installation: what is there is moved aside, if that is asked for."""
    file = tmp_path / "backup.tar.gz"
    stile(home, "backup", str(file))
    with pytest.raises(BackupError, match="there already"):
        stile(home, "backup", str(file))
    home.policy.write_text("changed")
    after = content(home.folder)
    with pytest.raises(BackupError, match="--replace"):
        stile(home, "restore", str(file))
    assert content(home.folder) == after
    said = stile(home, "restore", "--replace", str(file))
    assert home.policy.read_text() == "policy.yml of before"
    (aside,) = home.folder.glob("replaced-*")
    assert (aside / "policy.yml").read_text() == "changed"
    assert str(aside) in said
    with running(home), pytest.raises(BackupError, match="`stile down` first"):
        stile(home, "restore", "--replace", str(file))


def test_what_is_no_backup(stile, home, tmp_path):
    """Nothing is changed by it."""
    before = content(home.folder)
    for name, made in {
        "text": b"hello",
        "empty": b"",
        "tar": packed({"a": b"b"}),
        "later": packed({"stile-backup.json": b'{"format": 2}'}),
        "climbing": packed({"stile-backup.json": b'{"format": 1}', "../climbed": b"x"}),
    }.items():
        file = tmp_path / name
        file.write_bytes(made)
        with pytest.raises(BackupError, match=name):
            stile(home, "restore", "--replace", str(file))
    assert content(home.folder) == before
    assert not (tmp_path / "climbed").exists()
    with pytest.raises(BackupError, match="STILE_HOME"):
        stile(Home(tmp_path / "none"), "backup", str(tmp_path / "b.tar.gz"))


def test_what_is_damaged_changes_nothing(stile, home, tmp_path):
    """A byte that has changed is found wherever it is, by gzip's checksum at the latest."""
    file = tmp_path / "backup.tar.gz"
    home.policy.write_bytes(os.urandom(50_000))
    stile(home, "backup", str(file))
    whole, before = file.read_bytes(), content(home.folder)
    for at in range(20, len(whole), len(whole) // 20):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        with pytest.raises(BackupError, match=r"cannot be restored|not a backup of Stile"):
            stile(home, "restore", "--replace", str(file))
    assert content(home.folder) == before


def test_a_restore_that_fails_midway_is_undone(stile, home, tmp_path):
    """Everything is where it was."""
    file = tmp_path / "backup.tar.gz"
    stile(home, "backup", "--data", str(file))
    shutil.rmtree(home.store.parent)
    home.store.parent.write_text("a file in the place of a folder")
    before = content(home.folder)
    with pytest.raises(BackupError, match=f"{home.store.parent.name}: File exists"):
        stile(home, "restore", "--replace", str(file))
    assert content(home.folder) == before


def test_links_are_followed(stile, home, tmp_path):
    """The backup has what they lead to; a restore replaces the link, also one that leads nowhere."""
    file, elsewhere = tmp_path / "backup.tar.gz", tmp_path / "elsewhere"
    elsewhere.mkdir()
    for kept in (home.policy, home.archive):
        kept.rename(elsewhere / kept.name)
        kept.symlink_to(elsewhere / kept.name)
    stile(home, "backup", str(file))
    shutil.rmtree(elsewhere)
    stile(home, "restore", "--replace", str(file))
    assert home.policy.read_text() == "policy.yml of before"
    assert (home.archive / "2026" / "1.sealed").read_text() == "1.sealed of before"


def test_what_lies_elsewhere_is_named(stile, home, tmp_path, monkeypatch):
    """Neither the default places, however their path is written, nor the filter's own policies are named."""
    link = tmp_path / "link"
    link.symlink_to(home.folder)
    monkeypatch.setenv("STILE_POLICY", "school")
    monkeypatch.setenv("STILE_API_KEYS", str(link / "api-keys.json"))
    assert "another place" not in stile(home, "backup", str(tmp_path / "a.tar.gz"))
    monkeypatch.setenv("STILE_POLICY", str(home.folder / "other.yml"))
    assert f"another place: {home.folder / 'other.yml'}" in stile(home, "backup", str(tmp_path / "b.tar.gz"))


def test_a_place_that_takes_no_backup(stile, home, tmp_path):
    """It is one line, and no draft is left."""
    for file in (tmp_path / "none" / "a", home.api_keys / "a", tmp_path / ("x" * 300)):
        with pytest.raises(BackupError, match="cannot be written: "):
            stile(home, "backup", str(file))
    assert list(tmp_path.iterdir()) == [home.folder]


def packed(files):
    """Pack files as a backup is."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return whole.getvalue()
