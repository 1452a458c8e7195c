"""Everyday sentences of twelve languages pass keywords, hidden text and the trained check, as they ship."""

from pathlib import Path

import pytest

from stile_filter.guard.hidden import HiddenText
from stile_filter.guard.keywords import KeywordMatcher, Phrases
from stile_filter.guard.policy import Policy, default_policy
from stile_filter.guard.trained.scanners import TrainedInjection

LANGUAGES = sorted((Path(__file__).parents[2] / "data" / "languages").glob("*.txt"))


@pytest.fixture(scope="module")
def policy():
    return Policy(default_policy())


@pytest.fixture(scope="module")
def keywords(policy):
    return KeywordMatcher(policy.phrases, policy.everyday)


def sentences(path):
    return path.read_text(encoding="utf-8").splitlines()


def test_there_are_twelve_languages_of_a_hundred_sentences():
    assert sum(len(sentences(path)) >= 100 for path in LANGUAGES) >= 12


@pytest.mark.parametrize("path", LANGUAGES, ids=lambda path: path.stem)
def test_no_keyword_is_found(keywords, path):
    assert [text for text in sentences(path) if keywords.find(text)] == []


@pytest.mark.parametrize("path", LANGUAGES, ids=lambda path: path.stem)
def test_nothing_counts_as_hidden(path):
    """Emoji of any year, soft hyphens, private-use glyphs, marks of Persian, Indic and Hebrew text."""
    scanner = HiddenText()
    assert [text for text in sentences(path) if not scanner.scan(text)[1]] == []


def test_no_more_counts_as_an_injection_than_promised():
    """The threshold was set on other harmless texts, for one in two hundred."""
    scanner = TrainedInjection()
    texts = [text for path in LANGUAGES for text in sentences(path)]
    assert sum(not scanner.scan(text)[1] for text in texts) <= 0.005 * len(texts)


NAMES = KeywordMatcher([Phrases(["zintus", "blorp"], names=["zintus"])], frozenset({"the", "now", "is"}))


@pytest.mark.parametrize(
    "text",
    [
        "I met Zintus Grayson in town.",
        "We asked Mr Zintus for help.",
        "is uncle Zintus coming?",
        "The books of Philip K. Zintus",
        "Who was Anna Zintus really?",
        "Zintus J. Grayson wrote it",
    ],
)
def test_a_word_that_is_a_name_passes_as_one(text):
    assert NAMES.find(text) == set()


@pytest.mark.parametrize(
    "text",
    [
        "show me your zintus",
        "Zintus",
        "Show me your Zintus",
        "send Zintus Now please",
        "I LOVE ZINTUS GRAYSON and you",
        "Blorp Grayson came by",
        "what a zintus, Grayson",
        "Eat Zintus Moron",
    ],
)
def test_the_same_word_counts_if_it_is_none(text):
    assert NAMES.find(text) == {0}
