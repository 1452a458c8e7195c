"""A text as it is meant: look-alikes, leet and spelled words as plain ones, and what is encoded in plain.

Training and the running filter read texts through ``undisguised`` alike.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator

from stile_filter.guard.keywords import decoding
from stile_filter.guard.keywords.fold import plain, skeleton
from stile_filter.guard.keywords.look_alikes import ENCLOSED, SMALL_CAPITALS
from stile_filter.guard.keywords.views.forms import upright

_DEPTH = 2
"""How often what was decoded is decoded again."""
_SHORTEST_DECODED = 8
"""Characters. A few numbers may stand for letters by chance, and say nothing."""
_LONGEST_TURNED = 4_000
"""Characters. A longer text is not tried backwards and in ROT13: nobody writes a page so."""

_MORE_HITS = 3
"""What a text turned round must have more than twice the words of the lexicon that it has as it stands."""
_UNSPACED = re.compile("[\u0590-\u08ff\u0e00-\u0eff\u2e80-\ud7ff]")
"""Scripts in which a stem may begin anywhere, so that one is found in any text. They are not turned."""

_WORD = re.compile(r"\w+")
_FRAMED = frozenset(ENCLOSED) | frozenset(SMALL_CAPITALS)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ROT13 = str.maketrans(_LETTERS, _LETTERS[13:] + _LETTERS[:13])

_REPEATED = re.compile(r"([^\W\d_])\1{3,}")
_LETTER = "[a-z\u00df-\u024f\u03b1-\u03c9\u0430-\u045f\u3041-\u30ff\u4e00-\u9fff]"
"""Latin, Greek, Cyrillic, kana, Chinese; in Indic scripts a mark stands between the letters of any word."""
_SPELLED = re.compile(rf"(?<![^\W_]){_LETTER}(?:[\W_]{{1,4}}{_LETTER}(?![^\W_])){{3,}}")
_GAP = re.compile(r"[\W_]+")

_LEET_LETTERS = str.maketrans("013456789@$!|+€", "oieasgtbgasiite")
_TOKEN = re.compile(r"[a-z0-9@$!|+€]{2,20}")
_LEET = re.compile(r"[a-z][013456789@$!|+€]{1,3}[a-z]")
_LEET_AT_EDGE = re.compile(r"[0-9@$!|+€]?[a-z]{1,12}[013457@$|€]{0,2}")
_ADDRESS = frozenset("./_-=\\:")
_FEW_LEET = 2
"""From so many leet words on, a digit at a word's end is a letter as well."""


def undisguised(text: str, hits: Callable[[str], int]) -> str:
    """Return the text in small letters without disguises, and behind it what it has in other writings.

    Args:
        text: as it came.
        hits: returns how much that the lexicon knows is in a text in small letters.
    """
    return "\n".join(_readings(text, hits))


def _readings(text: str, hits: Callable[[str], int]) -> Iterator[str]:
    text = _rewritten(text)
    as_meant = _as_meant(text)
    yield as_meant
    yield from _decoded(text, _DEPTH)
    if len(text) <= _LONGEST_TURNED and not _UNSPACED.search(text):
        enough = 2 * hits(as_meant) + _MORE_HITS
        turned = [as_meant[::-1], as_meant.translate(_ROT13)]
        if (read := upright(text)) is not None:
            turned.append(read)
        yield from (reading for reading in turned if hits(reading) >= enough)


def _rewritten(text: str) -> str:
    rewritten = decoding.rewritten(text)
    return text if rewritten is None else rewritten[1]


def _decoded(text: str, depth: int) -> Iterator[str]:
    for word in decoding.words(text):
        read = _rewritten(word.text)
        if len(read) >= _SHORTEST_DECODED:
            yield _as_meant(read)
        if depth > 1:
            yield from _decoded(read, depth - 1)


def _as_meant(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = _WORD.sub(lambda found: _without_look_alikes(found[0]), text)
    text = text.casefold()
    text = _REPEATED.sub(r"\1", text)
    text = _SPELLED.sub(lambda found: _joined(found[0]), text)
    return _without_leet(text)


def _without_look_alikes(word: str) -> str:
    """Return a word that mixes Latin with look-alikes in Latin letters; any other as it is."""
    if word.isascii():
        return word
    if _FRAMED.isdisjoint(word) and not (
        any(char.isascii() and char.isalpha() for char in word) and any(map(_is_foreign, word))
    ):
        return word
    return skeleton(plain(word))


def _is_foreign(char: str) -> bool:
    return char.isalpha() and not char.isascii() and not unicodedata.name(char, "").startswith("LATIN")


def _joined(run: str) -> str:
    """Join single letters to words; a longer gap than the usual one ends a word, and so does a space."""
    usual = Counter(_GAP.findall(run)).most_common(1)[0][0]
    return _GAP.sub(lambda gap: "" if _is_within(gap[0], usual) else " ", run)


def _is_within(gap: str, usual: str) -> bool:
    return gap == usual or not (len(gap) > len(usual) or gap.isspace())


def _without_leet(text: str) -> str:
    if not _LEET.search(text):
        return text
    tokens = list(_TOKEN.finditer(text))
    leet = [_looks_leet(token[0]) and not _is_in_an_address(text, token) for token in tokens]
    many = sum(leet) >= _FEW_LEET
    written: list[str] = []
    done = 0
    for token, is_leet in zip(tokens, leet, strict=True):
        if is_leet or (many and _LEET_AT_EDGE.fullmatch(token[0])):
            written += text[done : token.start()], _letters(token[0])
            done = token.end()
    return "".join(written) + text[done:]


def _looks_leet(word: str) -> bool:
    return _LEET.search(word) is not None and sum(map(str.isalpha, word)) * 5 >= 2 * len(word)


def _is_in_an_address(text: str, token: re.Match[str]) -> bool:
    """Tell whether a token is a part of an address or a path."""
    around = text[max(token.start() - 1, 0) : token.start()] + text[token.end() : token.end() + 1]
    return not _ADDRESS.isdisjoint(around)


def _letters(token: str) -> str:
    end = token.rstrip("!")
    return end.replace("11", "ll").translate(_LEET_LETTERS) + token[len(end) :]
