"""The sealed archive: only its key opens it, it is bounded, and it never delays a request."""

import resource
import stat
from uuid import UUID

import pytest
from nacl.public import PrivateKey

from harness.processes.wait import until
from stile_contracts import signing
from stile_filter.guard.decide import State, Verdict
from stile_filter.guard.policy import Action, ArchiveRules, Policy, Rule
from stile_filter.policies.archive import Archive, records, writer
from stile_filter.policies.archive import files as archive_files
from stile_filter.policies.archive.files import DAY_SECONDS, ArchiveFiles
from stile_filter.policies.archive.records import ArchiveError

ID = UUID("0190a5d0-0000-7000-8000-000000000001")
BODY = '{"prompt": "darn Übung"}'.encode()
REFUSED = Verdict(State.REFUSE, Rule(id="rude", category="rudeness", action=Action.REFUSE), "prompt", "plain")
PRIVATE = PrivateKey(bytes(range(32)))
KEY = signing.encode(bytes(PRIVATE.public_key))


def rules(**changed):
    return ArchiveRules(key=KEY, **changed)


@pytest.fixture
def kept():
    return []


@pytest.fixture
def archive(tmp_path, kept):
    archive = Archive(tmp_path / "a folder", kept.append)
    yield archive
    archive.close()


def policy(policy_file, extra=""):
    return Policy(policy_file(f"archive: {{key: {KEY}{extra}}}\n"))


def unsealed(folder):
    return [records.unseal(sealed, PRIVATE) for sealed in archive_files.read(folder)]


async def test_a_refused_request_is_kept_whole(policy_file, tmp_path, archive, kept):
    """With its client, rule, view and location; nothing of it can be seen in the file."""
    judged = policy(policy_file)
    archive.follow(judged)
    archive.keep(judged, "http-ada", ID, BODY, REFUSED)
    archive.keep(judged, "http-ada", ID, BODY, Verdict(State.ALLOW))
    await until(lambda: kept == ["kept"])
    [record] = unsealed(tmp_path / "a folder")
    assert (record.client, record.rule, record.view, record.location) == (
        "http-ada",
        "rude",
        "plain",
        "prompt",
    )
    assert (record.body.encode(), record.id, record.policy) == (BODY, ID, judged.version)
    [file] = (tmp_path / "a folder").iterdir()
    for part in (b"darn", b"ada", b"rude", str(ID).encode()):
        assert part not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_all_requests_are_kept_if_the_policy_says_so(policy_file, tmp_path, archive, kept):
    """What passed, and what could not be judged, too."""
    judged = policy(policy_file, ", keep: all")
    archive.follow(judged)
    for verdict in (REFUSED, Verdict(State.ALLOW), Verdict(State.TIMEOUT)):
        archive.keep(judged, "http-ada", ID, BODY, verdict)
    await until(lambda: len(kept) == 3)
    assert [record.state for record in unsealed(tmp_path / "a folder")] == ["refuse", "allow", "timeout"]


def test_without_archive_nothing_is_kept(policy_file, tmp_path, archive):
    """It is off by default."""
    judged = Policy(policy_file(""))
    archive.follow(judged)
    archive.keep(judged, "http-ada", ID, BODY, REFUSED)
    archive.close()
    assert not (tmp_path / "a folder").exists()


def test_only_the_private_key_opens_a_record():
    """Neither another key nor the public one opens it; the filter has only the public one."""
    record = records.Record(
        at_ms=1, id=ID, client="c", policy="p", state="refuse", rule=None, view=None, location=None, body="{}"
    )
    sealed = records.seal(record, KEY)
    assert records.unseal(sealed, PRIVATE) == record
    for other in (PrivateKey.generate(), PrivateKey(signing.decode(KEY))):
        with pytest.raises(ArchiveError, match="another key, or damaged"):
            records.unseal(sealed, other)
    assert records.seal(record, KEY) != sealed


def test_a_pair_of_keys(tmp_path):
    """The private half is the owner's alone, and never overwritten."""
    file = tmp_path / "archive.key"
    public = records.make_key(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert signing.encode(bytes(records.read_key(file).public_key)) == public
    with pytest.raises(ArchiveError, match="never overwritten"):
        records.make_key(file)
    file.write_text("no key\n")
    with pytest.raises(ArchiveError, match="holds no private key"):
        records.read_key(file)


def test_the_bytes_are_bounded(tmp_path):
    """After many records the newest is there, and all together have at most ``max_bytes``."""
    files = ArchiveFiles(tmp_path)
    bound = rules(max_bytes=100_000)
    for number in range(1000):
        files.append(b"%04d" % number + bytes(996), bound)
        assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 100_000
    found = [int(sealed[:4]) for sealed in archive_files.read(tmp_path)]
    assert found == list(range(found[0], 1000))
    assert len(found) > 80
    with pytest.raises(OSError, match="more than max_bytes"):
        files.append(bytes(100_001), bound)


def test_the_days_are_bounded(tmp_path):
    """Older files are deleted, also by a process that did not write them."""
    now = 0.0
    files = ArchiveFiles(tmp_path, lambda: now)
    files.append(b"old", rules())
    [old] = tmp_path.iterdir()
    now = old.stat().st_mtime + 29 * DAY_SECONDS
    ArchiveFiles(tmp_path, lambda: now).prune(rules(days=30))
    assert [*archive_files.read(tmp_path)] == [b"old"]
    now += 2 * DAY_SECONDS
    ArchiveFiles(tmp_path, lambda: now).prune(rules(days=30))
    assert [*archive_files.read(tmp_path)] == []
    files.append(b"new", rules())
    assert [*archive_files.read(tmp_path)] == [b"new"]


def test_half_a_record_spoils_nothing(tmp_path):
    """A disk that fills up in the middle of a record: what was written before and after can be read."""
    files = ArchiveFiles(tmp_path)
    files.append(b"before", rules())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            files.append(bytes(100), rules())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    files.append(b"after", rules())
    assert sorted(archive_files.read(tmp_path)) == [b"after", b"before"]


def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path):
    """A killed process leaves half a record at the end."""
    ArchiveFiles(tmp_path).append(b"whole", rules())
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes() * 2 + b"\0\0\1")
    assert [*archive_files.read(tmp_path)] == [b"whole", b"whole"]


async def test_what_cannot_be_written_is_counted(policy_file, tmp_path, kept):
    """If the folder is a file, the request goes on, and so does the thread."""
    (tmp_path / "file").write_text("")
    archive = Archive(tmp_path / "file", kept.append)
    judged = policy(policy_file)
    archive.follow(judged)
    archive.keep(judged, "http-ada", ID, BODY, REFUSED)
    await until(lambda: kept == ["dropped"])
    archive.keep(judged, "http-ada", ID, BODY, REFUSED)
    await until(lambda: kept == ["dropped"] * 2)
    archive.close()


def test_what_is_too_much_is_dropped(policy_file, archive, kept, monkeypatch):
    """No request waits for the disk: the records that wait are bounded in number and bytes."""
    judged = policy(policy_file)  # no policy is followed, so the thread does not run
    for _ in range(writer.MAX_WAITING):
        archive.keep(judged, "http-ada", ID, BODY, REFUSED)
    assert kept == []
    archive.keep(judged, "http-ada", ID, BODY, REFUSED)
    assert kept == ["dropped"]
    monkeypatch.setattr(writer, "MAX_WAITING_BYTES", writer.MAX_WAITING * len(BODY))
    archive.keep(judged, "http-ada", ID, BODY, REFUSED)
    assert kept == ["dropped"] * 2
