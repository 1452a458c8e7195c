"""The keyword layer against a naive reference, and against texts that people write."""

import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stile_filter.guard.keywords import KeywordMatcher, Phrases
from stile_filter.guard.keywords.fold import plain as normalise
from stile_filter.guard.keywords.phrases import is_word
from stile_filter.guard.policy import Policy, default_policy

DATA = Path(__file__).parents[3] / "data"

letters = st.sampled_from("abAß ﬁé.你\u200b\n-1")
words = st.text(letters, min_size=1, max_size=4)


several_lists = st.lists(
    st.tuples(st.lists(words, max_size=4), st.lists(words, max_size=2)).map(lambda pair: Phrases(*pair)),
    min_size=1,
    max_size=3,
)


def naive(lists, text):
    """Say the same as the matcher, phrase by phrase and place by place."""
    normal = normalise(text)

    def spans(phrases):
        for phrase in filter(None, map(normalise, phrases)):
            for start in range(len(normal) - len(phrase) + 1):
                end = start + len(phrase)
                before, after = normal[start - 1 : start] if start else "", normal[end : end + 1]
                if (
                    normal[start:end] == phrase
                    and not (is_word(phrase[0]) and before and is_word(before))
                    and not (is_word(phrase[-1]) and after and is_word(after))
                ):
                    yield start, end

    return {
        index
        for index, phrases in enumerate(lists)
        for start, end in spans(phrases.banned)
        if not any(a <= start and end <= b for a, b in spans(phrases.excepted))
    }


@given(
    several_lists,
    st.text(letters, max_size=30),
)
def test_agrees_with_a_naive_search(lists, text):
    """The plain view finds what a search phrase by phrase finds, no more and no less."""
    found = {hit.index for hit in KeywordMatcher(lists).hits(text) if hit.view == "plain"}
    assert found == naive(lists, text)


@given(st.text())
def test_a_normal_text_stays_as_it_is(text):
    """Normalising twice changes nothing more, so phrases and texts meet in one form."""
    once = normalise(text)
    assert normalise(once) == once


@given(st.text(st.characters(codec="ascii")))
def test_the_short_way_for_ascii_is_the_long_way(text):
    """ASCII takes a faster way through; it must lead to the same place."""
    assert normalise(text) == normalise(text + "\u200b")


def test_every_invisible_character_is_ignored():
    """Format characters (category Cf) that Unicode calls default-ignorable hide nothing."""
    matcher = KeywordMatcher([Phrases(["darn"])])
    # Prepended concatenation marks and the like are visible; Unicode's list leaves them out.
    visible = re.compile(
        "[\u0600-\u0605\u06dd\u070f\u0890-\u0891\u08e2\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001345f]"
    )
    hidden = [
        char
        for char in map(chr, range(0x110000))
        if unicodedata.category(char) == "Cf" and not visible.match(char)
    ]
    assert [hex(ord(char)) for char in hidden if not matcher.find(f"da{char}rn")] == []


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("darn", "DARN!"),
        ("darn", "(darn)"),
        ("darn", "oh_darn_it"),
        ("darn", "ｄａｒｎ"),
        ("darn", "d\u00adarn"),
        ("darn", "\u202edarn\u202c"),
        ("two words", "two\n\t words"),
        ("two words", "two\u00a0words"),
        ("straße", "STRASSE"),
        ("🖕", "take that🖕🏽you"),
        ("坏话", "这是坏话吗"),
        ("darn", "这darn吗"),
        ("나쁜말", "나쁜말을"),
        ("s&m", "what is S&M?"),
    ],
)
def test_found(phrase, text):
    """Case, width, invisible characters and whitespace hide nothing; unspaced scripts need no boundary."""
    assert KeywordMatcher([Phrases([phrase])]).find(text) == {0}


@pytest.mark.parametrize(
    ("phrase", "text"),
    [("ass", "class passes assess"), ("darn", "darned"), ("cunt", "Scunthorpe"), ("a b", "ab"), ("é", "e")],
)
def test_not_found(phrase, text):
    """Only whole words count."""
    assert KeywordMatcher([Phrases([phrase])]).find(text) == set()


def test_an_exception_covers_its_own_place_only():
    """«moby dick» excepts the word in the title, not elsewhere in the same text."""
    matcher = KeywordMatcher([Phrases(["dick"], ["Moby Dick"])])
    assert matcher.find("Who wrote Moby-\u200bDick? Moby Dick!") == {0}
    assert matcher.find("Who wrote Moby Dick?") == set()
    assert matcher.find("Moby Dick, you dick") == {0}


def test_lists_are_told_apart():
    """A phrase in two lists is found for both."""
    assert KeywordMatcher([Phrases(["a"]), Phrases(["b", "A"]), Phrases(["c"])]).find("a") == {0, 1}


@pytest.fixture(scope="module")
def default():
    """The keyword layer of the policy that comes with the service."""
    return KeywordMatcher(Policy(default_policy()).phrases)


@pytest.mark.parametrize("text", (DATA / "everyday.txt").read_text().splitlines())
def test_the_default_policy_lets_everyday_questions_through(default, text):
    """School, workshop and kitchen questions that hold a word of the list are not refused."""
    assert default.find(text) == set()


@pytest.mark.parametrize("text", (DATA / "rude.txt").read_text().splitlines())
def test_the_default_policy_refuses_profanity(default, text):
    """What the list is there for is refused."""
    assert default.find(text) == {0}


@pytest.mark.parametrize("seam", [("", ""), ("", " and"), ("So: ", ""), ("\n ", " \u200b")])
def test_no_exception_of_the_default_policy_lies_across_two_parts(default, seam):
    """Cut at each of its gaps, it hides nothing that one of its parts has alone."""
    words, *_ = Policy(default_policy()).phrases
    cuts = hidden = 0
    for exception in words.excepted:
        pieces = exception.split()
        for gap in range(1, len(pieces)):
            first = seam[0] + " ".join(pieces[:gap])
            second = " ".join(pieces[gap:]) + seam[1]
            alone = default.find(first) | default.find(second)
            assert default.find(first, second) >= alone, exception
            cuts += 1
            hidden += bool(alone)
            # Within one part it is an exception still, with a part on either side.
            assert default.find("x", f"{first} {second}", "y") == default.find(f"{first} {second}"), exception
    assert cuts > 40
    assert hidden >= 18


def test_a_phrase_lies_across_parts_where_an_exception_does_not():
    """Also across more than two, with nothing between, and beside an exception that is whole."""
    matcher = KeywordMatcher([Phrases(["dick", "two bad words"], ["moby dick", "no two bad words"])])
    assert matcher.find("two", "", "bad", "\n", "words") == {0}
    assert matcher.find("no two bad", "words") == {0}
    assert matcher.find("no two bad words") == set()
    assert matcher.find("moby", "moby dick", "dick") == {0}
    assert matcher.find("moby", "moby dick", "x") == set()
    assert matcher.find("moby\n", "\u200b", "dick") == {0}


@given(
    several_lists,
    st.lists(st.text(letters, max_size=12), max_size=4),
)
def test_together_parts_have_all_that_each_has(lists, parts):
    """So one look at all of them is enough where it finds nothing."""
    matcher = KeywordMatcher(lists)
    together = matcher.find(*parts)
    assert together >= set().union(*map(matcher.find, parts))
    assert together >= matcher.find("\n".join(parts))
