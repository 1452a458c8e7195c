"""Invisible characters: those that mean nothing go, and those that do stay."""

import unicodedata
from pathlib import Path

import pytest

from stile_filter.guard.hidden.characters import without_invisible

LANGUAGES = Path(__file__).parents[3] / "data/languages"


@pytest.mark.parametrize(
    ("pasted", "read"),
    [
        ("Donau\u00addampf\u00adschiff", "Donaudampfschiff"),
        ("https://example.org/\u200ba\u200bb", "https://example.org/ab"),
        ("\ufeffname,age\r\n\ufeffAda,36\r\n", "name,age\r\nAda,36\r\n"),
        ("Auf\u200clage, Schiff\u200cfahrt", "Auflage, Schifffahrt"),
        ("e\u200dmail and cafe\u0301\u200d", "email and cafe\u0301"),
        ("10\u206000 \u2064x\u2062y", "1000 xy"),
        ("left\u200e and\u200f right\u061c", "left and right"),
        ("\u2066isolated\u2069 \u202aembedded\u202c \u202dforced\u202c", "isolated embedded forced"),
        ("Привет\u00ad, как\u200b дела\ufeff?", "Привет, как дела?"),
        ("Γειά\u200b σου\u00ad", "Γειά σου"),
        ("日本\u200b語の\ufeff文", "日本語の文"),
        ("中\u2060文\u3164", "中文"),
        ("한국\u200b어\uffa0", "한국어"),
        ("Tiếng\u200b Việt\u00ad", "Tiếng Việt"),
        ("hidden\U000e0068\U000e0069\U000e007f", "hidden"),
        ("a\ufe0f b\ufe01 1\ufe0f \U000e0101", "a b 1 "),
        ("see\ufff9this\ufffathat\ufffb", "seethisthat"),
        ("bell\x07 null\x00 escape\x1b[31m delete\x7f c1\x9d", "bell null escape[31m delete c1"),
        ("tab\t line\n form\f next\x85", "tab\t line\n form\f next\x85"),
        ("blank\u2800here", "blank here"),
        ("👍\u200b\u200d", "👍"),
        ("👍\u200d\u200d🏽", "👍\u200d🏽"),
        ("❤\ufe0f\ufe0f\ufe0f", "❤\ufe0f"),
        ("\U0001f3f4\U000e0067\U000e0062 half a flag", "\U0001f3f4 half a flag"),
        ("שלום\u202e abc", "שלום abc"),
        ("\u200c\u200d\u200e\u00ad\ufe0f", ""),
        ("one line שלום\u200f\nnext\u200f", "one line שלום\u200f\nnext"),
    ],
)
def test_what_means_nothing_goes(pasted, read):
    """In every script: soft hyphens, zero-width spaces, byte order marks, fillers, lone joiners and marks."""
    assert without_invisible(pasted) == read
    assert without_invisible(read) is read


@pytest.mark.parametrize(
    "text",
    [
        "می‌خواهم کتاب‌هایم",  # Persian
        "ہ‍ٹ",  # an Arabic letter in the form that it has within a word
        "क्‍या श्रीमान्‌ शर्मा",  # Hindi
        "রান্‌না র‍্যাব",  # Bengali
        "ನಾನು ರ‍್ಯಾಂಕ್",  # Kannada
        "ശ്രീ നാരായണൻ്‍",  # Malayalam
        "ශ්‍රී ලංකාව",  # Sinhala
        "హార్డ్‌వేర్",  # Telugu
        "ភាសា\u200bខ្មែរ",  # Khmer, with the spaces that nobody sees
        "หมา\u200bของ\u200bฉัน",  # Thai
        "ငါ့\u200bခွေး\u200bက",  # Burmese
        "ພາສາ\u200bລາວ",  # Lao
        "ᠮᠣᠩᠭᠣᠯ᠎ᠠ ᠬᠡ᠋ᠯᠡ",  # Mongolian
        "שָׁלוֹם לֶ͏ַ",  # Hebrew points, and the joiner between two of them
        "אמרתי \u200e(a, b)\u200e ואז \u2066C++\u2069",  # both directions
        "عدد \u2068٪50\u2069 \u061c؟",
        "ᄀᅠᆨ ᅟᅡ",  # an unfinished Hangul syllable
        "⠓⠑⠇⠇⠕⠀⠺⠕⠗⠇⠙",  # Braille, with its blank
        "葛\U000e0100飾区 、\ufe00",  # a variant of a character
        "≨︀ 0︀",  # and of mathematics
        "👩‍💻 👨‍👩‍👧‍👦 👩🏾‍🔬 🏳️‍🌈 🏴‍☠️ ❤️‍🔥 🧑‍🤝‍🧑 👁️‍🗨️ ☺︎",
        "1️⃣ #️⃣ *️⃣ ©️ ™️ ℹ️ ↔️ Ⓜ️ ㊗️",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # England
        "🏴\U000e0075\U000e0073\U000e0074\U000e0078\U000e007f",  # Texas
        "a \U0001faea\u200d\U0001f525 of a year that no table has",
        "non\u2011breaking\u00a0space\u202fand\u3000wide ones",
        "naïve café Ångström ﷽ ؁",
    ],
)
def test_what_means_something_stays(text):
    """Joiners, styles, flags, marks of direction, fillers and blanks in the scripts that have them."""
    assert without_invisible(text) is text


def test_everyday_texts_keep_what_is_seen():
    """1,200 sentences in twelve languages and others: what is visible is never changed."""
    lines = [line for file in LANGUAGES.glob("*.txt") for line in file.read_text("utf-8").splitlines()]
    assert len(lines) > 1200
    changed = [(line, read) for line in lines if (read := without_invisible(line)) != line]
    for line, read in changed:
        assert [char for char in line if char not in "\u00ad\u200b\ufeff\u2060"] == list(read)
    assert len(changed) == 5


def test_nothing_invisible_is_left_in_latin_text():
    """Of all of Unicode's format characters and ignorable ones, only those stay that are drawn."""
    drawn = set("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
    left = {
        char
        for char in map(chr, range(0x110000))
        if unicodedata.category(char) in {"Cf", "Cc"}
        and char not in drawn
        and without_invisible(f"a{char}b") != "ab"
    }
    assert left == set("\t\n\x0b\x0c\r\x85")
