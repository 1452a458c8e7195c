"""Lists of every command: on a terminal, in a pipe, as JSON."""

import json

import pytest

from stile.shell import listing

NAME = "a-name-that-is-far-longer-than-any-terminal-is-wide-" * 3
ROWS = [{"name": NAME, "MB": 808, "here": True}, {"name": "b", "MB": None, "here": False}]


@pytest.mark.parametrize("columns", ["20", "80"])
def test_in_a_pipe_a_row_is_a_line_with_tabs(capsys, monkeypatch, columns):
    """Nothing is cut off, however narrow the terminal is."""
    monkeypatch.setenv("COLUMNS", columns)
    listing.show(ROWS, as_json=False, empty="nothing")
    assert capsys.readouterr().out == f"name\tMB\there\n{NAME}\t808\tyes\nb\t\t\n"


def test_on_a_terminal_columns_are_aligned(capsys, monkeypatch):
    """With headings; names are whole, numbers stand to the right."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    listing.show(ROWS, as_json=False, empty="nothing")
    heading, first, second = capsys.readouterr().out.splitlines()
    assert heading == f"{'name'.ljust(len(NAME))}   MB  here"
    assert first == f"{NAME}  808  yes"
    assert second == "b"


def test_as_json(capsys):
    """Values keep their kinds; an empty list is one, too."""
    listing.show(ROWS, as_json=True, empty="nothing")
    assert json.loads(capsys.readouterr().out) == ROWS
    listing.show([], as_json=True, empty="nothing")
    assert capsys.readouterr().out == "[]\n"


def test_no_rows_is_said_to_people_alone(capsys, monkeypatch):
    """A pipe gets nothing."""
    listing.show([], as_json=False, empty="No rows.")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    listing.show([], as_json=False, empty="No rows.")
    assert capsys.readouterr() == ("No rows.\n", "")


def test_a_value_of_a_client_stays_in_its_cell(capsys, monkeypatch):
    """A model's name may be anything: it begins no row, and is no command for the terminal."""
    rows = [{"model": "a\tb\nc\x1b]0;title\x07", "id": 1}]
    shown = "a\ufffdb\ufffdc\ufffd]0;title\ufffd"
    listing.show(rows, as_json=False, empty="")
    assert capsys.readouterr().out == f"model\tid\n{shown}\t1\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    listing.show(rows, as_json=False, empty="")
    assert capsys.readouterr().out == f"{'model'.ljust(len(shown))}  id\n{shown}   1\n"
