"""Turns a text into rows of the weights' table.

A text is folded, cut into sentences, and each sentence into words. Rows come from three places:

- n-grams of 3 to 5 characters within a word, its boundaries among them, or of 1 to 3 in scripts that are
  written without spaces, because there a sentence is one long word;
- n-grams of 1 to 3 words, punctuation counted as words;
- classes of the lexicon (``lexicon.py``), which mean the same in every language: each class, each pair and
  each triple of classes in one sentence.

Training and the running filter use this module alike, so that the two cannot differ.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import NamedTuple
from zlib import crc32

HASH_BITS = 18
HASH_ROWS = 1 << HASH_BITS
LEXICON_BITS = 14
LEXICON_ROWS = 1 << LEXICON_BITS
"""The lexicon's rows come behind those of the n-grams, so that neither takes the other's."""
ROWS = HASH_ROWS + LEXICON_ROWS

LONGEST_WORD = 24
"""Characters. Longer runs (Chinese, base64) are cut, so that one cannot hold the filter up."""
LONGEST_SENTENCE = 240
"""Characters; longer ones are cut between words."""
MOST_CLASSES = 9
"""Classes of one sentence that are paired; more would be a word list, and cost more than it says."""

_WORD = re.compile(rf"\w{{1,{LONGEST_WORD}}}|[^\w\s]{{1,3}}")
_SENTENCE = re.compile(
    r"[^.!?;\n\u061f\u0964\u3002\uff01\uff1f]+[.!?;\n\u061f\u0964\u3002\uff01\uff1f]*|[.!?;\n]+"
)
_DIGITS = re.compile(r"\d")


_SIZES = (12, 16, 20)
_UNSPACED_SIZES = (4, 8, 12)
"""Of n-grams, in bytes: four for each character."""


class Sentence(NamedTuple):
    """One sentence, in words."""

    words: list[str]
    characters: int


class _Kept(dict[int, int | None]):
    """Maps accents and what is invisible to nothing, all else to itself, as it is met."""

    def __missing__(self, code: int) -> int | None:
        kept = None if unicodedata.category(chr(code)) in {"Mn", "Cf"} else code
        self[code] = kept
        return kept


_KEPT = _Kept()


def fold(text: str) -> str:
    """Return ``text`` in lower case, in compatibility form, without accents, every digit a zero."""
    if text.isascii():
        folded = text.lower()
    else:
        parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
        folded = unicodedata.normalize("NFC", parts.translate(_KEPT))
    return _DIGITS.sub("0", folded)


def unspaced(character: str) -> bool:
    """Tell whether a script has no spaces between words (Thai, Chinese, Japanese), or few (Korean)."""
    return "\u0e00" <= character <= "\u0eff" or character >= "\u2e80"


def sentences(text: str) -> Iterator[Sentence]:
    """Cut a folded text into sentences of at most ``LONGEST_SENTENCE`` characters."""
    for match in _SENTENCE.finditer(text):
        words: list[str] = []
        size = 0
        for word in _WORD.findall(match.group()):
            if size + len(word) > LONGEST_SENTENCE:
                yield Sentence(words, size)
                words, size = [], 0
            words.append(word)
            size += len(word) + 1
        if words:
            yield Sentence(words, size)


def character_rows(word: str) -> list[int]:
    """Return the rows of a word's n-grams of characters; none for punctuation."""
    if not word[0].isalnum():
        return []
    data = f" {word} ".encode("utf-32-le")
    end = len(data)
    mask = HASH_ROWS - 1
    return [
        crc32(data[start : start + size]) & mask
        for size in (_UNSPACED_SIZES if unspaced(word[0]) else _SIZES)
        for start in range(0, end - size + 4, 4)
    ]


def word_rows(words: list[str]) -> list[int]:
    """Return the rows of a sentence's n-grams of 1 to 3 words."""
    mask = HASH_ROWS - 1
    rows = []
    one = two = None
    for word in words:
        data = f" {word}".encode()
        this = crc32(data, 1)
        rows.append(this & mask)
        if one is not None:
            pair = crc32(data, one)
            rows.append(pair & mask)
            if two is not None:
                rows.append(crc32(data, two) & mask)
            two = pair
        one = this
    return rows


def lexicon_rows(classes: Iterable[int]) -> set[int]:
    """Return the rows of one sentence's classes: each, each pair, each triple."""
    kept = sorted(set(classes))[:MOST_CLASSES]
    return {
        HASH_ROWS + (crc32(bytes(group)) & (LEXICON_ROWS - 1))
        for size in (1, 2, 3)
        for group in combinations(kept, size)
    }
