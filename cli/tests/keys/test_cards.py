"""Links that carry keys, and the sheet to print."""

import re

import pytest

from stile.errors import CredentialsError
from stile.keys import cards
from stile.keys.cards import Card
from stile.settings import Settings


def test_the_page_as_others_reach_it(monkeypatch):
    """STILE_PUBLIC_URL first; loopback is of no use to others, and this is said."""
    monkeypatch.setattr(cards, "_own_address", lambda: "192.0.2.7")
    assert cards.page(Settings(public_url="https://stile.example")) == ("https://stile.example", None)
    assert cards.page(Settings(host="0.0.0.0", port=81)) == ("http://192.0.2.7:81", None)  # noqa: S104
    assert cards.page(Settings(host="192.0.2.9")) == ("http://192.0.2.9:8000", None)
    base, warning = cards.page(Settings())
    assert base == "http://127.0.0.1:8000"
    assert "STILE_PUBLIC_URL" in warning


def test_a_sheet_has_a_card_for_each(tmp_path):
    """Names are text, the file is its owner's alone, and none is overwritten."""
    sheet = tmp_path / "sheet.html"
    made = [Card(f"<{number}>", f"sk-{number}", f"http://box/#key=sk-{number}") for number in range(3)]
    cards.write_sheet(sheet, made)
    text = sheet.read_text()
    assert re.findall(r"<b>(.*?)</b>", text) == ["&lt;0&gt;", "&lt;1&gt;", "&lt;2&gt;"]
    assert text.count("<svg") == 3
    assert text.count("http://box<br><code>sk-") == 3
    assert sheet.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CredentialsError, match="File exists"):
        cards.write_sheet(sheet, made)


def test_a_pipe_gets_lines_and_a_terminal_codes(capsys, monkeypatch):
    """A line for each link, with a tab after the name."""
    card = Card("ada", "sk-1", "http://box/#key=sk-1")
    cards.show([card, card])
    assert capsys.readouterr().out == "ada\thttp://box/#key=sk-1\n" * 2
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    cards.show([card])
    assert len(capsys.readouterr().out.splitlines()) > 10
