"""Lists as people and as programs read them."""

import json

import pytest
import typer

from stile.commands.owner.options import period
from stile.shell import listing

LONG = "http-" + "x" * 59
ROWS = [
    {"client": LONG, "requests_today": 3, "rule": None},
    {"client": "bob", "requests_today": 1, "rule": "r"},
]


def test_what_is_no_terminal_gets_lines_with_tabs(capsys):
    """A heading, then a line for each row; nothing is cut short."""
    listing.show(ROWS, as_json=False, empty="nothing")
    assert capsys.readouterr().out == f"client\trequests_today\trule\n{LONG}\t3\t\nbob\t1\tr\n"


def test_json_is_for_programs(capsys):
    """What is not known is null; no rows are an empty array."""
    listing.show(ROWS, as_json=True, empty="nothing")
    assert json.loads(capsys.readouterr().out) == ROWS
    listing.show([], as_json=True, empty="nothing")
    assert json.loads(capsys.readouterr().out) == []


def test_without_rows_a_program_gets_nothing(capsys):
    """Not a sentence that it would take for a row."""
    listing.show([], as_json=False, empty="nothing")
    assert capsys.readouterr().out == ""


def test_a_terminal_gets_columns_with_whole_names(capsys, monkeypatch):
    """However narrow it is."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    listing.show(ROWS, as_json=False, empty="nothing")
    assert LONG in capsys.readouterr().out
    listing.show([], as_json=False, empty="nothing")
    assert capsys.readouterr().out == "nothing\n"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90m", 5400), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600)]
)
def test_a_period_has_a_number_and_a_unit(text, seconds):
    """Minutes, hours, days, weeks."""
    assert period(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "1.5h", "-1d", "7 d", "7s"])
def test_anything_else_is_no_period(text):
    """It says what would be one."""
    with pytest.raises(typer.BadParameter, match="12h"):
        period(text)
