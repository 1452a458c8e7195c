"""Digits and signs for letters, and masked vowels."""

import re
from collections.abc import Iterable, Iterator

from stile_filter.guard.keywords.phrases import SHORT, Automaton, Match, Phrase
from stile_filter.guard.keywords.shape import Shape, bare, is_sign, token_at

# What stands for a letter; l, i, 1, ! and | are one letter to a reader, so they are one here.
_LEET = str.maketrans("013456789@$!|+€£¥§¢l([<{", "oieasgtbgasiiteiysciccc" + "c")
_LEET_OTHER = str.maketrans("6925/", "bgzs1")
_SHAPED = (
    (r"\/\/", "w"),
    (r"|\/|", "m"),
    (r"/\/\\", "m"),
    (r"|-|", "h"),
    (r"]-[", "h"),
    (r"|_|", "u"),
    (r"(_)", "u"),
    (r"|\|", "n"),
    (r"/\/", "n"),
    (r"\/", "v"),
    (r"/\\", "a"),
    ("/\\", "a"),
    ("|<", "k"),
    ("|{", "k"),
    ("|)", "d"),
    ("|]", "d"),
    ("|=", "f"),
    ("|>", "p"),
    ("|2", "r"),
    ("()", "o"),
    ("[]", "o"),
)
_STROKES = frozenset("|/\\()[]")
"""Each drawn letter has one of these."""
_SOUNDED = (("ph", "f"), ("vv", "w"))
_MASKS = frozenset("*#%@._-•~^")
_FOREIGN = re.compile("[^\x00-\x7f€£¥§¢•]")
"""What stands for no letter of a word."""
_MAX_DIGITS = 4
"""Behind a word: a year."""
_MAX_TOKEN = 200
"""Characters of a disguised word; what is longer is code or data."""
_VOWEL_GROUPS = re.compile("[aeiou]+")


class Leet:
    """Digits and signs for letters, and masked vowels: ``sh1t``, ``$hit``, ``f*ck``."""

    name = "leet"

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        words = [phrase for phrase in phrases if phrase.is_word]
        self.automaton = Automaton((leet_class(phrase.text), phrase) for phrase in words)
        masked: dict[str, Phrase] = {}
        for phrase in words:
            if phrase.banned and len(phrase.text) > SHORT:
                for form in masked_forms(phrase.text):
                    masked.setdefault(form, phrase)
        self._masked = masked

    def matches(self, text: str, shape: Shape) -> Iterator[Match]:
        """Yield the words that are written so."""
        done = -1
        for at in sorted(shape.mixed()):
            if at < done:
                continue
            start, done = token_at(text, at)
            # "a$$" ends with its signs, "sh1t!" does not.
            for first, last in ((start, done), bare(text, start, done)):
                if phrase := self._word(text[first:last]):
                    yield Match(phrase, first, last)
                    break

    def _word(self, token: str) -> Phrase | None:
        if not 0 < len(token) <= _MAX_TOKEN or (not token.isascii() and _FOREIGN.search(token)):
            return None
        letters = sum(map(str.isalpha, token))
        if letters == len(token) or not (letters or all(map(is_sign, token))):
            return None
        for form in _forms(token):
            phrase = self.automaton[form]
            if phrase is not None and _is_meant(token, phrase.text, letters):
                return phrase
        if any(char in _MASKS for char in token):
            return self._masked.get("".join("*" if char in _MASKS else char for char in token))
        # Digits hung on a word: "word123". Passwords and codes have them on both sides, or in the middle.
        word = token.rstrip("0123456789")
        if len(word) > SHORT and len(token) - len(word) <= _MAX_DIGITS:
            phrase = self.automaton[leet_class(word)]
            return phrase if phrase is not None and phrase.text == word else None
        return None


def leet_class(text: str) -> str:
    """Return ``text`` with one letter for all that look alike in leet."""
    return text.translate(_LEET)


def _forms(token: str) -> Iterator[str]:
    yield leet_class(token)
    yield leet_class(token.translate(_LEET_OTHER))
    shaped = token
    for drawn, letter in () if _STROKES.isdisjoint(token) else _SHAPED:
        shaped = shaped.replace(drawn, letter)
    if shaped != token:
        yield leet_class(shaped)
    sounded = shaped
    for written, letter in _SOUNDED:
        sounded = sounded.replace(written, letter)
    if sounded != shaped:
        yield leet_class(sounded)


def _is_meant(token: str, word: str, letters: int) -> bool:
    if not letters:
        return not any(map(str.isdigit, token))
    if len(word) > SHORT or letters >= len(word) - 1:
        return True
    return not any(map(str.isdigit, token))  # "a$$" is a word, "A55" a road


def masked_forms(word: str) -> Iterator[str]:
    """Yield the word with its vowels, one of them, or all but its ends as stars."""
    for group in _VOWEL_GROUPS.finditer(word):
        if group.start():
            yield word[: group.start()] + "*" * len(group[0]) + word[group.end() :]
            yield word[: group.start()] + "*" + word[group.end() :]
            for at in range(*group.span()):
                yield f"{word[:at]}*{word[at + 1 :]}"
    inner = "*" * (len(word) - 2)
    stars = word[0] + _VOWEL_GROUPS.sub(lambda found: "*" * len(found[0]), word[1:])
    yield from {stars} - {word}
    if len(word) == SHORT + 1:
        yield word[0] + inner + word[-1]
