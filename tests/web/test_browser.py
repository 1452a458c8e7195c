"""Which browser the page's tests take, on machines that have others than this one."""

import pytest

from harness.clients import browser


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Return a function that makes a machine with these programs alone on PATH."""
    monkeypatch.delenv(browser.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    def install(*names):
        for name in names:
            (tmp_path / name).write_text("#!/bin/sh\n")
            (tmp_path / name).chmod(0o755)
        return lambda name: str(tmp_path / name)

    return install


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        (("chromium", "chromium-headless-shell"), "chromium-headless-shell"),
        (("chromium", "google-chrome"), "chromium"),
        (("chromium-browser", "google-chrome"), "google-chrome"),
        (("chromium-browser",), "chromium-browser"),
    ],
)
def test_the_first_that_is_there_is_taken(programs, there, taken):
    """Debian has one, GitHub's runners another, and Ubuntu's own is the last resort."""
    path = programs(*there)
    assert browser.find() == path(taken)


def test_a_whole_one_is_not_the_headless_shell(programs):
    """Also if both are there."""
    path = programs("chromium", "chromium-headless-shell")
    assert browser.find(whole=True) == path("chromium")


def test_where_there_is_none_none_is_found(programs):
    """Then the page's tests say so, and are skipped."""
    programs()
    assert browser.find() is None


def test_the_one_that_is_named_counts_alone(programs, monkeypatch):
    """A named browser that is not there is an error: nobody's tests are skipped by a slip of the pen."""
    path = programs("chromium", "brave")
    monkeypatch.setenv(browser.VARIABLE, "brave")
    assert browser.find() == path("brave")
    monkeypatch.setenv(browser.VARIABLE, "chrom")
    with pytest.raises(LookupError, match="TEST_BROWSER=chrom"):
        browser.find()
