"""Words that are turned round or drawn out."""

import re
from collections.abc import Iterable, Iterator

from ahocorasick_rs import AhoCorasick

from stile_filter.guard.keywords.look_alikes import UPSIDE_DOWN
from stile_filter.guard.keywords.phrases import SHORT, Automaton, Everyday, Match, Phrase
from stile_filter.guard.keywords.shape import Shape, bare, token_at
from stile_filter.guard.keywords.views.leet import leet_class, masked_forms

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ROT13 = str.maketrans(_LETTERS, _LETTERS[13:] + _LETTERS[:13])
_GAP_MASKS = "-_~•%"
"""Put for vowels, as stars are; the view of leet does not look for them, as they are often something else."""
_HALF_TURN = str.maketrans("bdnupqwm", "qpundbmw")
_ALL_TURN = set("bdnupqwmoszx")
"""Letters that stand upside down as other ASCII letters, or as themselves."""
_ATBASH = str.maketrans(_LETTERS, _LETTERS[::-1])


def turned_forms(phrases: Iterable[Phrase], everyday: Everyday) -> Iterator[tuple[str, Phrase]]:
    """Yield each word in other forms, but no everyday words.

    Backwards, in ROT13, in Atbash, doubled, with ph for f, turned over, with dashes and the like for vowels,
    without vowels.
    """
    abbreviated = {_consonants(word) for word in everyday}
    for phrase in phrases:
        word = phrase.text
        if not (phrase.is_word and phrase.banned and len(word) > SHORT):
            continue
        doubled = "".join(letter * 2 for letter in word)
        for form in (
            word[::-1],
            word.translate(_ROT13),
            word.translate(_ATBASH),
            doubled,
            word.replace("f", "ph"),
            *([word[::-1].translate(_HALF_TURN)] if set(word) <= _ALL_TURN else []),
        ):
            if form != word and form not in everyday:
                yield form, phrase
        bare = _consonants(word)
        if _MISSES_VOWELS.fullmatch(bare) and bare != word and bare not in abbreviated:
            yield bare, phrase
        for form in masked_forms(word):
            # A mask at the end alone is a dash behind a word.
            if not form.endswith("*") or (form.count("*") > 1 and len(form) - form.count("*") >= SHORT):
                for mask in _GAP_MASKS:
                    yield form.replace("*", mask), phrase


def _consonants(word: str) -> str:
    return word[:1] + "".join(char for char in word[1:] if char not in "aeiou")


_MISSES_VOWELS = re.compile("[^aeiouy][^y]{2,}.")
"""Four letters or more that cannot be spoken: shorter ones, and ``nymph``, are abbreviations and words."""


class Stretched:
    """Letters repeated: ``shiiit``."""

    name = "stretched"

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        self._words = Automaton(
            (_squeezed(leet_class(phrase.text)), phrase) for phrase in phrases if phrase.is_word
        )
        self._lengths = {phrase.text: _runs(phrase.text) for phrase in phrases if phrase.is_word}

    def matches(self, text: str, shape: Shape) -> Iterator[Match]:
        """Yield the words that are written so."""
        del shape
        done = -1
        for _, at, _ in _REPEATED.find_matches_as_indexes(text):
            if at < done:
                continue
            start, done = token_at(text, at)
            first, last = bare(text, start, done)
            if phrase := self._word(text[first:last]):
                yield Match(phrase, first, last)

    def _word(self, token: str) -> Phrase | None:
        form = leet_class(token)
        runs = _runs(form)
        phrase = self._words[_squeezed(form)]
        if phrase is None or not any(map(str.isalpha, token)):
            return None
        wanted = self._lengths[phrase.text]
        return phrase if all(map(int.__ge__, runs, wanted)) else None


_REPEATED = AhoCorasick([letter * 3 for letter in _LETTERS + "01345$!@"])


def _squeezed(text: str) -> str:
    return "".join(char for index, char in enumerate(text) if not index or text[index - 1] != char)


def _runs(text: str) -> list[int]:
    lengths: list[int] = []
    for index, char in enumerate(text):
        if index and text[index - 1] == char:
            lengths[-1] += 1
        else:
            lengths.append(1)
    return lengths


_TURNED = frozenset("".join(UPSIDE_DOWN)) - frozenset(_LETTERS) - frozenset(_LETTERS.upper()) - {"ı"}  # noqa: RUF001
_PLAIN_TURNED = str.maketrans("bdnupqwmoszxle", "qpundbmwoszxle")


def upright(text: str) -> str | None:
    """Return the text as it reads upright if it is written upside down; else None."""
    if text.isascii() or _TURNED.isdisjoint(text):
        return None
    return "".join(UPSIDE_DOWN.get(char) or char.lower().translate(_PLAIN_TURNED) for char in reversed(text))
