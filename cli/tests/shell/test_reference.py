"""docs/cli.md against the commands."""

from pathlib import Path

from stile.main import Commands
from stile.shell.reference import reference, replaced

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"


def test_the_page_has_todays_help(monkeypatch):
    """`make reference` writes it anew."""
    monkeypatch.setenv("COLUMNS", "200")  # a page is as wide on every terminal
    page = PAGE.read_text()
    assert replaced(page) == page


def test_every_command_is_there():
    """Those of groups, too."""
    text = reference()
    for name in (*Commands.entries, "keys add", "clients remove", "dlq retry", "systemd install"):
        assert f"# `stile {name}`\n" in text
