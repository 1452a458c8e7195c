"""Each way of writing a banned word so that a plain search misses it, and what only looks like one.

The banned words are made up, so that nothing here is tuned to a list; nothing in the matcher knows them.
"""

import base64
import codecs
from pathlib import Path

import pytest

from stile_filter.guard.keywords import KeywordMatcher, Phrases
from stile_filter.guard.keywords.look_alikes import ALPHABETS, UPSIDE_DOWN
from stile_filter.guard.policy import Policy, default_policy

WORDS = ("blorp", "zintus", "quaffle", "skrim", "drobnak", "fluvat", "vastopi", "mungle")
CARRIERS = ("{}", "please tell me about {} today", "I think that {} is the answer you want")
LEET_SHAPES = {"w": "\\/\\/", "m": "|\\/|", "h": "|-|", "n": "|\\|", "k": "|<", "d": "|)", "u": "|_|"}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def matcher():
    return KeywordMatcher([Phrases(WORDS, ["blorp fish", "mount skrim"])], Policy(default_policy()).everyday)


@pytest.fixture(scope="module")
def shipped():
    """The matcher of the default policy."""
    policy = Policy(default_policy())
    return KeywordMatcher(policy.phrases, policy.everyday)


def shifted(first):
    return lambda word: "".join(chr(first + LETTERS.index(char)) for char in word)


def table(source, target):
    return lambda word: word.translate(str.maketrans(source, target))


def put(between):
    return between.join


def first_vowel(word, change):
    at = next(index for index, char in enumerate(word) if index and char in "aeiou")
    return word[:at] + change(word[at]) + word[at + 1 :]


def halves(between):
    return lambda word: word[: len(word) // 2] + between + word[len(word) // 2 :]


def upside_down(word):
    turned = {}
    for char, letter in UPSIDE_DOWN.items():
        turned.setdefault(letter, char)
    return "".join(turned[char] for char in reversed(word))


def each(form, between=""):
    return lambda word: between.join(form.format(char, ord(char)) for char in word)


DISGUISES = {
    "capitals": str.upper,
    "fullwidth": shifted(0xFF41),
    "mathematical bold": shifted(0x1D41A),
    "mathematical script": shifted(0x1D4EA),
    "double-struck": shifted(0x1D552),
    "circled": shifted(0x24D0),
    "parenthesised": shifted(0x249C),
    "squared": shifted(0x1F130),
    "regional indicators": shifted(0x1F1E6),
    "cyrillic": table("aceopxyi", "асеорхуі"),
    "greek": table("aoevnkiptu", "αοενηκιρτυ"),
    "accents": lambda word: "".join(f"{char}\u0301" if char in "aeiou" else char for char in word),
    "zalgo": each("{}\u0300\u0316\u0361\u0489"),
    "struck out": each("{}\u0336"),
    "zero-width spaces": put("\u200b"),
    "soft hyphens": put("\u00ad"),
    "selectors": put("\ufe0f"),
    "braille blanks": put("\u2800"),
    "fillers": put("\u3164"),
    "override": lambda word: f"\u202e{word}\u202c",
    "leet digits": table("aeiost", "431057"),
    "leet signs": table("ais", "@!$"),
    "one digit": lambda word: first_vowel(word, table("aeiou", "4310u")),
    "one letter long": lambda word: first_vowel(word, lambda char: char * 5),
    "every letter long": each("{0}{0}{0}"),
    "every letter twice": each("{0}{0}"),
    "spaces": put(" "),
    "two spaces": put("  "),
    "dots": put("."),
    "dashes": put("-"),
    "underscores": put("_"),
    "stars": put("*"),
    "slashes": put("/"),
    "line ends": put("\n"),
    "emoji": put("🌸"),
    "spelled in leet": lambda word: " ".join(table("aeio", "4310")(word)),
    "halves, space": halves(" "),
    "halves, dash": halves("-"),
    "halves, line end": halves("\n"),
    "halves, line end and indent": halves("\n   "),
    "halves, apostrophe": halves("'"),
    "backwards": lambda word: word[::-1],
    "rot13": lambda word: codecs.encode(word, "rot13"),
    "atbash": table(LETTERS, LETTERS[::-1]),
    "upside down": upside_down,
    "masked vowel": lambda word: first_vowel(word, lambda _: "*"),
    "masked by a dash": lambda word: first_vowel(word, lambda _: "-"),
    "masked by a low line": lambda word: first_vowel(word, lambda _: "_"),
    "leet shapes": lambda word: "".join(LEET_SHAPES.get(char, char) for char in word),
    "digits behind": lambda word: f"{word}123",
    "entities": each("&#{1};"),
    "entities in hex": each("&#x{1:x};"),
    "percent": each("%{1:02x}"),
    "\\u": each("\\u{1:04x}"),
    "\\x": each("\\x{1:02x}"),
    "U+": each("U+{1:04X}", " "),
    "octal": each("\\{1:03o}"),
    "base64": lambda word: base64.b64encode(f"say {word} now".encode()).decode(),
    "base64 of the word": lambda word: base64.b64encode(f"{word}!".encode()).decode(),
    "base64 twice": lambda word: base64.b64encode(base64.b64encode(f"say {word}".encode())).decode(),
    "base32": lambda word: base64.b32encode(f"say {word}".encode()).decode(),
    "hex": lambda word: word.encode().hex(),
    "hex with spaces": lambda word: word.encode().hex(" "),
    "binary": each("{1:08b}", " "),
    "decimal codes": each("{1}", " "),
    "places in the alphabet": lambda word: "-".join(str(ord(char) - 96) for char in word),
    "tags": lambda word: "".join(chr(0xE0000 + ord(char)) for char in word),
}  # fmt: skip
DISGUISES |= {
    f"alphabet {index}": table("".join(letters), "".join(chr(code) for code in letters.values()))
    for index, alphabet in enumerate(ALPHABETS)
    if (letters := {letter: code for code, letter in reversed(alphabet.items())})
}
DISGUISES["leet in base64"] = lambda word: base64.b64encode(
    f"say {first_vowel(word, table('aeiou', '4310u'))} now".encode()
).decode()


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("name", DISGUISES)
def test_a_banned_word_is_found_however_it_is_written(matcher, name, carrier):
    """In a sentence and alone."""
    texts = [carrier.format(DISGUISES[name](word)) for word in WORDS]
    assert [text for text in texts if not matcher.find(text)] == []


@pytest.mark.parametrize("name", DISGUISES)
def test_a_hit_names_its_view_and_place(matcher, name):
    """The span is where the disguised word was written, in the part that has it."""
    for word in WORDS:
        written = DISGUISES[name](word)
        hit = next(iter(matcher.hits("first", f"tell me of {written} here")))
        part, start, end = hit.span
        assert (part, hit.phrase) == (1, word)
        assert hit.view
        assert 0 <= start < end <= len(f"tell me of {written} here")


@pytest.mark.parametrize("name", ["accents", "fullwidth", "zero-width spaces", "cyrillic", "capitals"])
def test_exceptions_hold_in_every_view(matcher, name):
    """What is allowed stays allowed in another dress."""
    disguise = DISGUISES[name]
    assert matcher.find(f"a {disguise('blorp')} {disguise('fish')} in the sea") == set()
    assert matcher.find(f"a {disguise('blorp')} in the sea") == {0}


def test_without_vowels():
    """If four letters or more are left, which nobody can say, and which abbreviate no everyday word."""
    lists = [Phrases(["drobnak", "quaffle", "blorp", "nimphon", "glastrim", "vastopi"])]
    matcher = KeywordMatcher(lists, ["nmphn", "gulostrum"])
    found = {written for written in ("drbnk", "qffl", "blrp", "vstp", "V-STP!") if matcher.find(written)}
    assert found == {"drbnk", "qffl", "blrp", "vstp"}
    for harmless in ("glstrm", "nmphn", "blr", "drbnks", "drbn", "xdrbnk", "d rbnk"):
        assert not matcher.find(f"the {harmless} of the day"), harmless


def test_every_vowel_masked():
    """Also at the end, if enough of the word is left."""
    matcher = KeywordMatcher([Phrases(["quaffle", "drobnika", "dado"])])
    for written in ("q--ffl-", "q**ffl*", "dr-bn-k-", "dr_bn_k_"):
        assert matcher.find(f"the {written} here"), written
    for harmless in ("d-d-", "quaffl-"):
        assert not matcher.find(f"the {harmless} here"), harmless


def test_over_turns(matcher):
    """A word in two messages is one word."""
    assert matcher.find("say quaf", "fle to me") == {0}
    assert matcher.find("s k r", "i m now") == {0}


@pytest.mark.parametrize(
    "text",
    [
        "digest: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "aGVsbG8gd29ybGQsIHRoaXMgaXMgaGFybWxlc3M=",
        "const total = items.map(i => i.price * i.count).reduce((a, b) => a + b, 0);",
        "for (let i = 0; i < 10; i++) { x[i] = y[i] << 2; }",
        "the chords are F A G, then D A D G A D",
        "https://example.org/a-b-c/d_e_f?g=h&i=j%20k",
        "Call 0049 30 123456 or 1-800-555-0199",
        "It's hit or miss; he's hit the ball.",
        "1, 2, 3, 4, 5, 6, 7, 8",
        "A B C D E F G, the alphabet",
        "U.S.A., e.g. and i.e. are short forms",
        "f(x) = a*x^2 + b*x + c",
        "|---|---|\n| a | b |",
        "Hmmmmm, sooooo good!!! Noooo",
        "\\begin{align} \\frac{1}{2} \\end{align}",
        "C:\\Users\\ann\\file.txt",
    ],
)
def test_code_numbers_and_abbreviations_pass(shipped, text):
    """With the default policy and its lists, nothing is refused for how it looks."""
    assert list(shipped.hits(text)) == []


ORDINARY = Path(__file__).parents[3] / "data" / "ordinary.txt"


@pytest.mark.parametrize("text", ORDINARY.read_text().splitlines())
def test_ordinary_words_of_other_languages_names_and_idioms_pass(shipped, text):
    """A word counts only if it is meant."""
    assert list(shipped.hits(text)) == []
