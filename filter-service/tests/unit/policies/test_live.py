"""A changed policy takes over whole, or not at all."""

import asyncio
import gc
import weakref

import pytest

from harness.processes.wait import until
from stile_filter.guard.policy import Files
from stile_filter.policies.guard import Guard
from stile_filter.policies.live import LivePolicy
from stile_filter.policies.source import PolicySource
from stile_runtime import footprint


class Counted:
    """Remembers its calls."""

    def __init__(self):
        self.said = []

    def policy_loaded(self, version):
        self.said.append(version)

    def policy_refused(self):
        self.said.append("refused")


def banning(word, files=""):
    return f"keywords:\n- {{id: {word}, category: words, phrases: [{word}]{files}}}\n"


class Watched:
    """A live policy of a file that tests write."""

    def __init__(self, file):
        self.file, self.counted = file, Counted()
        self.make = lambda files: Guard(file, files=files)
        """Reads the file; a test may put another in its place."""
        files = Files()
        self.live = LivePolicy(self.make(files), self._make, files, self.counted, look_seconds=0.01)
        self.task = None

    def _make(self, files):
        return self.make(files)

    @property
    def rules(self):
        return [rule.id for rule in self.live.guard.policy.keywords]

    def write(self, text):
        draft = self.file.with_name("draft")
        draft.write_text(text)
        draft.replace(self.file)


@pytest.fixture
async def watched(policy_file):
    watched = Watched(policy_file(banning("one")))
    await watched.live.start()
    task = asyncio.create_task(watched.live.keep_watching())
    yield watched
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled(), "the loop has ended by itself"
    await watched.live.close()


async def test_a_good_file_takes_over(watched):
    """The change is counted once, and ``swapped`` is called with the new guard."""
    swapped = []
    watched.live.swapped = swapped.append
    watched.write(banning("two"))
    await until(lambda: watched.rules == ["two"])
    assert swapped == [watched.live.guard]
    assert len(watched.counted.said) == 2


async def test_a_former_policy_takes_no_memory(watched):
    """Once it has ended and its memory is asked back, nothing holds it."""
    watched.live.retired = footprint.settle
    former = weakref.ref(watched.live.guard.policy)
    footprint.settle()
    try:
        watched.write(banning("two"))
        await until(lambda: watched.rules == ["two"])
        await until(lambda: former() is None)
    finally:
        gc.unfreeze()


async def test_a_bad_file_changes_nothing(watched):
    """The policy before it goes on, with the place of the fault; a good file ends that."""
    before = watched.live.guard
    watched.write("# one\nkeywordz: []\n")
    await until(lambda: watched.live.fault)
    assert str(watched.live.fault).startswith(f"{watched.file}:2: keywordz")
    assert watched.live.guard is before
    watched.write(banning("two"))
    await until(lambda: watched.live.fault is None)
    assert watched.rules == ["two"]
    assert watched.counted.said[1] == "refused"


async def test_the_former_file_ends_a_refusal(watched):
    """Nothing is loaded again: the policy in use is the file's."""
    before = watched.live.guard
    watched.write("no\n")
    await until(lambda: watched.live.fault)
    watched.write(banning("one"))
    await until(lambda: watched.live.fault is None)
    assert watched.live.guard is before


async def test_a_file_that_is_gone_is_a_bad_one(watched):
    """A file that comes back is used."""
    watched.file.unlink()
    await until(lambda: watched.live.fault)
    watched.write(banning("two"))
    await until(lambda: watched.rules == ["two"])


async def test_a_word_list_counts_as_well(watched, tmp_path):
    """A list that was missing counts too: the policy was refused for it."""
    watched.write(banning("two", ", files: [words.txt]"))
    await until(lambda: watched.live.fault)
    words = tmp_path / "words.txt"
    words.write_text("three\n")
    await until(lambda: watched.rules == ["two"])
    version = watched.live.guard.policy.version
    words.write_text("three\nfour\n")
    await until(lambda: watched.live.guard.policy.version != version)


async def test_whatever_a_reader_raises_the_policy_goes_on(watched):
    """A fault of the reader itself is a refusal, not the end of the loop."""

    def make(_):
        raise RecursionError("too deep")

    good, watched.make = watched.make, make
    watched.write(banning("two"))
    await until(lambda: watched.live.fault)
    assert "RecursionError" in str(watched.live.fault)
    watched.make = good
    watched.write(banning("three"))
    await until(lambda: watched.rules == ["three"])


async def test_asked_to_it_reads_what_has_not_changed(watched):
    """SIGHUP is for what cannot be seen from the files."""
    before = watched.live.guard
    watched.live.reload()
    await until(lambda: watched.live.guard is not before)
    assert watched.rules == ["one"]


async def test_what_changes_while_it_is_read_is_read_again(watched):
    """No mixture of two states of the files takes over."""
    good = watched.make

    def make(files):
        guard = good(files)
        if guard.policy.keywords[0].id == "two":
            watched.write(banning("three"))
        return guard

    watched.make = make
    swapped = []
    watched.live.swapped = lambda guard: swapped.append(guard.policy.keywords[0].id)
    watched.write(banning("two"))
    await until(lambda: watched.rules == ["three"])
    assert swapped == ["three"]


async def test_a_lease_outlives_a_change(watched):
    """A guard is closed when the last request that it judges has ended, and not before."""
    closed = []
    before = watched.live.guard

    async def close():
        closed.append(before)

    before.close = close
    with watched.live.lease() as first, watched.live.lease():
        watched.write(banning("two"))
        await until(lambda: watched.rules == ["two"])
        assert first is before
        with watched.live.lease() as second:
            assert second is watched.live.guard
    await until(lambda: closed)
    assert closed == [before]


@pytest.fixture
async def replaceable(policy_file, tmp_path):
    """A live policy of a shipped file, and the place where one of the owner's may come."""
    own = tmp_path / "home" / "policy.yml"
    own.parent.mkdir()
    source = PolicySource(policy_file(banning("shipped")), own)
    files = Files(own)

    def make(files):
        return Guard(source.find(), files=files)

    live = LivePolicy(make(files), make, files, Counted(), look_seconds=0.01)
    live.swapped = source.taken_up
    await live.start()
    task = asyncio.create_task(live.keep_watching())
    yield live, own
    task.cancel()
    await asyncio.wait([task])
    await live.close()


def put(file, text):
    (file.parent / "draft").write_text(text)
    (file.parent / "draft").replace(file)


async def test_the_owners_file_takes_over_when_it_comes_and_stays(replaceable):
    """It was not there at the start; when it is gone again, the policy in use is not the one before it."""
    live, own = replaceable

    def rules():
        return [rule.id for rule in live.guard.policy.keywords]

    assert rules() == ["shipped"]
    for word in ("own", "changed"):
        put(own, banning(word))
        await until(lambda word=word: rules() == [word])
    own.unlink()
    await until(lambda: live.fault)
    assert rules() == ["changed"]


async def test_an_owners_file_that_was_never_used_can_be_taken_away(replaceable):
    """The console does so after a refusal: then the file is as it was before, and nothing is wrong."""
    live, own = replaceable
    put(own, "no\n")
    await until(lambda: live.fault)
    own.unlink()
    await until(lambda: live.fault is None)
    assert [rule.id for rule in live.guard.policy.keywords] == ["shipped"]
