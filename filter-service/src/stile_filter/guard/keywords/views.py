"""Ways of writing a word so that a plain search misses it; each view looks for one of them.

A view gets the folded text and yields matches in it. A cheap look says first whether it is worth the work.
"""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import accumulate, islice, pairwise

from ahocorasick_rs import AhoCorasick

from stile_filter.guard.keywords.look_alikes import UPSIDE_DOWN
from stile_filter.guard.keywords.phrases import Automaton, Match, Phrase

_SHORT = 3
"""Words of up to so many letters stand by chance in codes and initials; less is taken for them."""

Everyday = Collection[str]
"""Words that people use every day, lower case."""


class Shape:
    """What a text is made of, for the cheap looks.

    ``text`` has an ``x`` for a letter, a ``1`` for what can stand for one, a space for all else.
    """

    def __init__(self, text: str) -> None:
        self.text = text.translate(_SHAPES)

    def mixed(self) -> Iterator[int]:
        """Yield where a sign or digit that can stand for a letter touches one."""
        yield from _places(self.text, "x1")
        yield from _places(self.text, "1x")

    def spelled(self) -> Iterator[int]:
        """Yield where single letters stand apart, three in a row."""
        for signs, gaps in ((self.text, ("1",)), (self.text.replace("1", "x"), _GAPS)):
            for gap in gaps:
                for start in _places(signs, f"x{gap}x{gap}x"):
                    if not start or self.text[start - 1] != "x":
                        yield start


def _places(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


_GAPS = (" ", "  ", "   ")


def _token_at(text: str, at: int) -> tuple[int, int]:
    """Return where the word around ``at`` begins and ends; folded texts have single spaces."""
    end = text.find(" ", at)
    return text.rfind(" ", 0, at) + 1, end if end >= 0 else len(text)


class _Shapes(dict[int, str]):
    def __missing__(self, code: int) -> str:
        char = chr(code)
        # An apostrophe belongs to its word, or "don't" would be a word and a single letter.
        self[code] = shape = "1" if char in _SIGNS else "x" if char.isalpha() or char == "'" else " "
        return shape


_SIGNS = frozenset("0123456789@$!|+€£¥§¢*#^(<[{/\\}=>")
_SHAPES = _Shapes()


class Disguised:
    """Words backwards, by ROT13 or Atbash, doubled, or with ph for f: searched for as they are."""

    name = "disguised"

    def __init__(self, phrases: Iterable[Phrase], everyday: Everyday) -> None:
        forms = [
            (form, phrase)
            for phrase in phrases
            if phrase.is_word and phrase.banned and len(phrase.text) > _SHORT
            for form in (
                phrase.text[::-1],
                phrase.text.translate(_ROT13),
                phrase.text.translate(_ATBASH),
                phrase.text.replace("f", "ph"),
                "".join(letter * 2 for letter in phrase.text),
            )
            if form not in everyday and form != phrase.text
        ]
        self.forms = forms


_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ROT13 = str.maketrans(_LETTERS, _LETTERS[13:] + _LETTERS[:13])
_ATBASH = str.maketrans(_LETTERS, _LETTERS[::-1])


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
    ("ph", "f"),
    ("vv", "w"),
)
_MASKS = frozenset("*#%@._-•~^")
_VOWEL_GROUPS = re.compile("[aeiou]+")
_EDGES = "\"'“”‘’.,;:!?)]}>…"  # noqa: RUF001
_OPENING = "\"'“”‘’([{<"  # noqa: RUF001


class Leet:
    """Digits and signs for letters, and masked vowels: ``sh1t``, ``$hit``, ``f*ck``."""

    name = "leet"

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        words = [phrase for phrase in phrases if phrase.is_word]
        self.automaton = Automaton((leet_class(phrase.text), phrase) for phrase in words)
        masked: dict[str, Phrase] = {}
        for phrase in words:
            if phrase.banned and len(phrase.text) > _SHORT:
                for form in _masked(phrase.text):
                    masked.setdefault(form, phrase)
        self._masked = masked

    def matches(self, text: str, shape: Shape) -> Iterator[Match]:
        """Yield the words that are written so."""
        done = -1
        for at in sorted(shape.mixed()):
            if at >= done:
                start, done = _token_at(text, at)
                yield from self._in_token(text[start:done], start)

    def _in_token(self, token: str, offset: int) -> Iterator[Match]:
        seen: set[str] = set()
        core = token.lstrip(_OPENING)
        start = offset + len(token) - len(core)
        for candidate in (token, core.rstrip(_EDGES)):
            begin = offset if candidate is token else start
            if not candidate or candidate in seen:
                continue
            seen.add(candidate)
            if phrase := self._word(candidate):
                yield Match(phrase, begin, begin + len(candidate))
                return

    def _word(self, token: str) -> Phrase | None:
        letters = sum(map(str.isalpha, token))
        if letters == len(token) or not (letters or _SIGNS.issuperset(token)):
            return None
        for form in _forms(token):
            phrase = self.automaton[form]
            if phrase is not None and _is_meant(token, phrase.text, letters):
                return phrase
        if any(char in _MASKS for char in token):
            return self._masked.get("".join("*" if char in _MASKS else char for char in token))
        # Digits hung on a word: "fuck123". Passwords and codes have them on both sides, or in the middle.
        bare = token.rstrip("0123456789")
        if bare.isalpha() and len(bare) > _SHORT and len(token) - len(bare) <= 4:
            phrase = self.automaton[leet_class(bare)]
            return phrase if phrase is not None and phrase.text == bare else None
        return None


def leet_class(text: str) -> str:
    """Return ``text`` with one letter for all that look alike in leet."""
    return text.translate(_LEET)


def _forms(token: str) -> Iterator[str]:
    yield leet_class(token)
    yield leet_class(token.translate(_LEET_OTHER))
    shaped = token
    for drawn, letter in _SHAPED:
        shaped = shaped.replace(drawn, letter)
    if shaped != token:
        yield leet_class(shaped)


def _is_meant(token: str, word: str, letters: int) -> bool:
    if not letters:
        return not any(map(str.isdigit, token))
    if len(word) > _SHORT or letters >= len(word) - 1:
        return True
    return not any(map(str.isdigit, token))  # "a$$" is a word, "A55" a road


def _masked(word: str) -> Iterator[str]:
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
    if len(word) == 4:
        yield word[0] + inner + word[-1]


class Stretched:
    """Letters repeated: ``shiiit``."""

    name = "stretched"

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        self._words = Automaton(
            (squeezed(leet_class(phrase.text)), phrase) for phrase in phrases if phrase.is_word
        )
        self._lengths = {phrase.text: _runs(phrase.text) for phrase in phrases if phrase.is_word}

    def matches(self, text: str, shape: Shape) -> Iterator[Match]:
        """Yield the words that are written so."""
        del shape
        done = -1
        for _, at, _ in _REPEATED.find_matches_as_indexes(text):
            if at < done:
                continue
            start, done = _token_at(text, at)
            token = text[start:done].strip(_EDGES + _OPENING)
            if token and (phrase := self.word(token)) is not None:
                start = text.index(token, start)
                yield Match(phrase, start, start + len(token))

    def word(self, token: str) -> Phrase | None:
        """Return the word that ``token`` is, stretched."""
        form = leet_class(token)
        runs = _runs(form)
        phrase = self._words[squeezed(form)]
        if phrase is None or not any(map(str.isalpha, token)):
            return None
        wanted = self._lengths[phrase.text]
        return phrase if all(map(int.__ge__, runs, wanted)) else None


_REPEATED = AhoCorasick([letter * 3 for letter in _LETTERS + "01345$!@"])


def squeezed(text: str) -> str:
    """Return ``text`` with each letter once where it is repeated."""
    return "".join(char for index, char in enumerate(text) if not index or text[index - 1] != char)


def _runs(text: str) -> list[int]:
    lengths: list[int] = []
    for index, char in enumerate(text):
        if index and text[index - 1] == char:
            lengths[-1] += 1
        else:
            lengths.append(1)
    return lengths


_SPELLED = re.compile(r"[^\W_](?:[\W_]{1,4}[^\W_](?![^\W_])){2,}")
_GAP = re.compile(r"[\W_]+")


class Spelled:
    """Single letters with something between: ``s h i t``, ``s.h.i.t``."""

    name = "spelled"

    def __init__(self, leet: Leet, phrases: Iterable[Phrase]) -> None:
        self._words = leet.automaton
        self._plain = {phrase.text for phrase in phrases if phrase.is_word}

    def matches(self, text: str, shape: Shape) -> Iterator[Match]:
        """Yield the words that are written so."""
        done = -1
        for at in sorted(shape.spelled()):
            if at >= done and (found := _SPELLED.match(text, at)):
                done = found.end()
                for start, end in _words_of(found[0]):
                    yield from self._in_run(found[0], start, end, at)

    def _in_run(self, run: str, start: int, end: int, offset: int) -> Iterator[Match]:
        spots = [at for at in range(start, end) if run[at].isalnum()]
        letters = leet_class("".join(run[at] for at in spots))
        for match in self._words.anywhere(letters):
            word = match.phrase.text
            whole = len(letters) == len(word)
            if not whole and len(word) <= _SHORT:
                continue
            if len(word) <= _SHORT and set(word) <= set("abcdefg"):
                continue  # the names of notes
            if sum(run[at].isalpha() for at in spots) * 3 < len(spots):
                continue
            yield Match(match.phrase, offset + spots[match.start], offset + spots[match.end - 1] + 1)


def _words_of(run: str) -> Iterator[tuple[int, int]]:
    """Cut a run of single letters at the gaps that are longer than the most frequent one."""
    gaps = list(_GAP.finditer(run))
    usual = Counter(len(gap[0]) for gap in gaps).most_common(1)[0][0]
    ends = [0, *(gap.end() for gap in gaps if len(gap[0]) > usual), len(run)]
    yield from pairwise(ends)


_PIECES = re.compile(r"[^\W_]+")
_WORDS = re.compile(r"[\w'’]+")  # noqa: RUF001


class Split:
    """A word in two or three pieces: ``sh it``, ``sh-it``, over a line's end or two messages."""

    name = "split"

    def __init__(self, phrases: Iterable[Phrase], everyday: Everyday) -> None:
        known = list(phrases)
        self._everyday = everyday
        self._excepted = {phrase.text for phrase in known if phrase.excepted}
        self._words = Automaton(
            (phrase.text, phrase)
            for phrase in known
            if phrase.is_word and phrase.banned and len(phrase.text) > _SHORT
        )

    def matches(self, text: str, shape: Shape) -> Iterator[Match]:
        """Yield the words that are written so."""
        del shape
        for at in _places(text, "'"):
            start, end = _token_at(text, at)
            token = text[start:end].strip(_EDGES + _OPENING)
            phrase = self._words[token.replace("'", "")]
            if phrase is not None and token.rpartition("'")[2] not in _CONTRACTED:
                start = text.index(token, start)
                yield Match(phrase, start, start + len(token))
        matches = list(self._words.anywhere(text.translate(_SOLID)))
        counts = Counter(match.phrase.text for match in matches)
        # Most are within one word: "peacock". Then the text has as many of them as it has without its gaps.
        if all(text.count(word) >= count for word, count in counts.items()):
            return
        text = text.replace("_", " ")
        words = _WORDS.findall(text)
        ends = [0, *accumulate(map(len, words))]
        for match in matches:
            at, last = bisect_right(ends, match.start) - 1, bisect_left(ends, match.end) - 1
            if at < last and ends[at] == match.start and ends[last + 1] == match.end:
                spots = list(islice(_WORDS.finditer(text), at, last + 1))
                start, end = spots[0].start(), spots[-1].end()
                if self._is_split(text, start, end):
                    yield Match(match.phrase, start, end)

    def _is_split(self, text: str, start: int, end: int) -> bool:
        if _BREAK.search(text, start, end):
            return False
        pieces = _PIECES.findall(text, start, end)
        singles = [piece for piece in pieces if len(piece) == 1]
        if len(singles) == len(pieces):
            return False  # spelled, which has its own rules
        if " ".join(pieces) in self._excepted:
            return False
        # "this hit", "ben's hit": a single letter beside a word may be anything.
        return not all(piece in self._everyday or len(piece) == 1 for piece in pieces)


_CONTRACTED = frozenset(("s", "t", "re", "ve", "ll", "d", "m"))
_BREAK = re.compile(r"[\W_]{5,}|\n\s*\n")


def _is_inner(char: str) -> bool:
    return char.isalnum() or char in "'’"  # noqa: RUF001


class _Solid(dict[int, str | None]):
    def __missing__(self, code: int) -> str | None:
        char = chr(code)
        self[code] = kept = char if _is_inner(char) else None
        return kept


_SOLID = _Solid()

_TURNED = frozenset("".join(UPSIDE_DOWN)) - frozenset(_LETTERS) - frozenset(_LETTERS.upper()) - {"ı"}  # noqa: RUF001
_TURN = str.maketrans(UPSIDE_DOWN)
_PLAIN_TURNED = str.maketrans("bdnupqwmoszxle", "qpundbmwoszxle")


def turned(text: str) -> str | None:
    """Return the text upright if it is written upside down; else None."""
    if text.isascii() or not any(char in _TURNED for char in text):
        return None
    return "".join(UPSIDE_DOWN.get(char) or char.lower().translate(_PLAIN_TURNED) for char in reversed(text))
