"""A file that is read again when it changes."""

import pytest
import structlog

from stile_runtime.watched_file import WatchedFile


def read(path):
    """Read a number."""
    return int(path.read_text())


def put(path, text):
    """Replace the file at once."""
    draft = path.with_suffix(".new")
    draft.write_text(text)
    draft.replace(path)


class Clock:
    """Seconds that a test moves."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def watch(tmp_path):
    """Watch ``number`` in the test's folder."""

    def make(**options):
        return WatchedFile(tmp_path / "number", read, "number", lambda value: {"value": value}, **options)

    return make


def test_a_change_is_read_once(tmp_path, watch):
    """The next one who asks gets the new content; the log says so once."""
    put(tmp_path / "number", "1")
    file = watch()
    put(tmp_path / "number", "2")
    with structlog.testing.capture_logs() as logs:
        assert (file.content, file.content) == (2, 2)
    assert [(entry["event"], entry["value"]) for entry in logs] == [("number_changed", 2)]


@pytest.mark.parametrize("spoil", [lambda path: put(path, "none"), lambda path: path.unlink()])
def test_a_file_that_cannot_be_used_changes_nothing(tmp_path, watch, spoil):
    """Not even by being gone; the log says why, once."""
    path = tmp_path / "number"
    put(path, "1")
    file = watch()
    spoil(path)
    with structlog.testing.capture_logs() as logs:
        assert (file.content, file.content, file.was_there) == (1, 1, True)
    assert [entry["event"] for entry in logs] == ["number_unusable"]
    put(path, "3")
    assert file.content == 3


def test_a_file_may_come_later_if_something_stands_for_it(tmp_path, watch):
    """Without that, a missing file is an error at once."""
    with pytest.raises(FileNotFoundError):
        watch()
    file = watch(empty=0)
    assert (file.content, file.was_there) == (0, False)
    put(tmp_path / "number", "no number")
    assert (file.content, file.was_there) == (0, True)


def test_a_file_is_looked_at_no_more_often_than_asked(tmp_path, watch):
    """In between the last content holds."""
    clock = Clock()
    put(tmp_path / "number", "1")
    file = watch(look_seconds=1.0, clock=clock)
    put(tmp_path / "number", "2")
    clock.now = 0.9
    assert file.content == 1
    clock.now = 1.0
    assert file.content == 2
