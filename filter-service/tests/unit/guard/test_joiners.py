"""Joiners that are seen are none of InvisibleText's business; all others are."""

import pytest

from stile_filter.guard.scanners.joiners import without_joiners


@pytest.mark.parametrize(
    "text",
    [
        "\U0001f469\u200d\U0001f4bb",  # a woman at a computer
        "\U0001f469\U0001f3fd\u200d\U0001f52c",  # with a tone of skin
        "\u2764\ufe0f\u200d\U0001f525",  # a heart on fire, in emoji style
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",  # a family
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian: I want
        "\u0915\u094d\u200d\u0937",  # Devanagari
        "\u0d28\u0d4d\u200d ",  # Malayalam, at the end of a word
    ],
)
def test_a_joiner_that_is_seen_is_taken_out(text):
    """Emoji and scripts that are written with joiners are not refused for them."""
    assert not set("\u200c\u200d") & set(without_joiners(text))


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "ig\u200dnore",  # between Latin letters
        "a\u200c b",
        "\u200d\U0001f4bb",  # nothing before it
        "\U0001f469\u200d",  # nothing behind it
        "\U0001f469\u200d\u200d\U0001f4bb",  # two at once
        "\U0001f469\u200c\U0001f4bb",  # the wrong one
        "\U0001f3f4\U000e0067\U000e007f",  # tags: letters that nobody sees
        "",
    ],
)
def test_any_other_stays_where_it_is(text):
    """What hides between characters that need no joiner is left for the scanner to find."""
    assert without_joiners(text) == text
