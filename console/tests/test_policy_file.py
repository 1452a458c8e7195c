"""The policy's file, as it is read and replaced."""

import stat

import pytest

from stile_console.errors import ConflictError, FileError
from stile_console.policies.file import PolicyFile


@pytest.fixture
def shipped(tmp_path):
    file = tmp_path / "shipped.yml"
    file.write_text("keywords: []\n")
    return file


def test_a_change_makes_a_policy_of_ones_own(shipped, tmp_path):
    """What comes with Stile stays as it is; the next change is of the own one; undoing removes it again."""
    own = tmp_path / "home.yml"
    file = PolicyFile(shipped, own)
    before = file.read()
    assert (before.is_shipped, before.may_change, before.file) == (True, True, str(shipped))
    undo = file.replace("limits: {}\n", before.digest)
    after = file.read()
    assert (after.text, after.is_shipped, after.file) == ("limits: {}\n", False, str(own))
    assert shipped.read_text() == "keywords: []\n"
    undo()
    assert file.read() == before


def test_somebody_elses_change_is_not_overwritten(shipped):
    """The text that was changed is no longer the one in the file."""
    file = PolicyFile(shipped, shipped)
    base = file.read().digest
    shipped.write_text("limits: {messages: 5}\n")
    with pytest.raises(ConflictError):
        file.replace("limits: {}\n", base)
    assert shipped.read_text() == "limits: {messages: 5}\n"


def test_the_mode_stays_and_undoing_brings_back_the_bytes(shipped):
    """The filter may run as another user, and reads the file by its mode."""
    shipped.chmod(0o640)
    file = PolicyFile(shipped, shipped)
    undo = file.replace("limits: {}\n", file.read().digest)
    assert stat.S_IMODE(shipped.stat().st_mode) == 0o640
    undo()
    assert shipped.read_text() == "keywords: []\n"
    assert stat.S_IMODE(shipped.stat().st_mode) == 0o640


def test_a_policy_that_may_not_be_changed(shipped):
    """One that STILE_POLICY names by its bare name comes with Stile."""
    file = PolicyFile(shipped, None)
    assert not file.read().may_change
    with pytest.raises(ConflictError, match="STILE_POLICY"):
        file.replace("", file.read().digest)


def test_what_can_not_be_read_or_written_is_said(tmp_path, shipped):
    """With the file and the reason."""
    with pytest.raises(FileError, match=r"none\.yml"):
        PolicyFile(tmp_path / "none.yml", None).read()
    shipped.write_bytes(b"\xff")
    with pytest.raises(FileError, match="UTF-8"):
        PolicyFile(shipped, None).read()
    shipped.write_text("")
    file = PolicyFile(shipped, tmp_path / "no folder" / "policy.yml")
    with pytest.raises(FileError, match="can't be written"):
        file.replace("", file.read().digest)
