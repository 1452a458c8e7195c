"""Texts that are made to keep the search busy: each is a small thing, 300,000 characters of it.

What takes time in proportion to the text is done in a second. What took the square of it, or tried every way
to cut a number into groups, would run into the time limit of all tests.
"""

import pytest

from stile_filter.guard.keywords import KeywordMatcher, Phrases
from stile_filter.guard.policy import Policy, default_policy

SIZE = 300_000
PIECES = {
    "a banned word": "dick ",
    "a sentence each": "dick a1. ",
    "an ordinary word of another language": "cum se face. ",
    "leet": "sh1t ",
    "leet without an end": "sh1t",
    "spelled": "s h i t ",
    "in pieces": "sh it ",
    "apostrophes": "'",
    "digits": "1",
    "digits that end in a letter": "1" * 60 + "g ",
    "digits after a letter": "g1111",
    "short base64": "ZnVjaw== ",
    "entities in entities": "&amp;amp;",
    "percent in percent": "%2541",
    "look-alikes": "рооп ",
    "upside down": "ʞɔnɟ ",
    "tags": "\U000e0066\U000e0075 ",
    "zero width": "\u200b\u200c",
    "marks": "f\u0301\u0302u\u0303ck ",
    "stretched": "shiiiit ",
    "dots": ".",
    "spaces": " ",
}


@pytest.fixture(scope="module")
def shipped():
    policy = Policy(default_policy())
    return KeywordMatcher(policy.phrases, policy.everyday)


@pytest.mark.parametrize("piece", PIECES)
def test_no_text_keeps_the_search_busy(shipped, piece):
    """As one text, and as many."""
    text = (PIECES[piece] * SIZE)[:SIZE]
    shipped.find(text)
    shipped.find_across(*(text[start : start + 3000] for start in range(0, SIZE, 3000)))


def test_what_lies_across_two_parts_is_found_at_their_edges():
    """However long the parts are; what one of them has alone is not asked for."""
    matcher = KeywordMatcher([Phrases(["quaffle", "two bad words"], ["no two bad words"])])
    long = "and so on " * 500
    assert matcher.find_across(f"{long}quaf", f"fle {long}") == {0}
    assert matcher.find_across(f"{long}two", f"bad words {long}") == {0}
    assert matcher.find_across(f"quaffle {long}", f"{long}quaffle") == set()
    assert matcher.find_across(f"quaf {long}", f"{long}fle") == set()
    assert matcher.find_across(f"quaf{long}fle quaffle") == set()
