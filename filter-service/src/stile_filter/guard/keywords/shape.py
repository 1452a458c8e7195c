"""A cheap look at a text, which says where another look is worth the work."""

from collections.abc import Iterator
from itertools import product

from ahocorasick_rs import AhoCorasick, Implementation, MatchKind

from stile_filter.guard.keywords.tables import Table

_SIGNS = "0123456789@$!|+€£¥§¢*#^(<[{/\\}=>"
_GAPS = (" ", "  ", "   ")
_SPELLED = AhoCorasick(
    [
        *(f"{before}x1x1x" for before in " 1"),
        *(
            before + gap.join(letters)
            for before in " 1"
            for gap in _GAPS
            for letters in product("x1", repeat=3)
        ),
    ],
    matchkind=MatchKind.Standard,
    implementation=Implementation.DFA,
)
"""Single letters that stand apart, and what is before them."""


class Shape:
    """What a text is made of: ``x`` for a letter, ``1`` for what can stand for one, a space for all else."""

    def __init__(self, text: str) -> None:
        # A bracket alone is seldom a letter; after a bar it draws one.
        self.text = _SHAPES(text.replace("|)", "||"))

    def mixed(self) -> Iterator[int]:
        """Yield where a sign or digit that can stand for a letter touches one."""
        yield from places(self.text, "x1")
        yield from places(self.text, "1x")

    def spelled(self) -> Iterator[int]:
        """Yield where single letters stand apart, three in a row."""
        # The character before is no letter; a sign there may stand for one.
        for _, start, _ in _SPELLED.find_matches_as_indexes(f" {self.text}", overlapping=True):
            yield start


def is_sign(char: str) -> bool:
    """Tell whether ``char`` is a digit or sign that can stand for a letter."""
    return char in _SIGNS


def _shape_of(char: str) -> str:
    # An apostrophe belongs to its word, or "don't" would be a word and a single letter.
    return "1" if is_sign(char) else "x" if char.isalpha() or char == "'" else " "


_SHAPES = Table(_shape_of)


def places(text: str, part: str) -> Iterator[int]:
    """Yield where ``part`` stands in ``text``; one may begin within the one before."""
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def token_at(text: str, at: int) -> tuple[int, int]:
    """Return where the word around ``at`` begins and ends; folded texts have single spaces."""
    end = text.find(" ", at)
    return text.rfind(" ", 0, at) + 1, end if end >= 0 else len(text)


_EDGES = "\"'“”‘’.,;:!?)]}>…([{<"  # noqa: RUF001


def bare(text: str, start: int, end: int) -> tuple[int, int]:
    """Return where the word is without the quotes, brackets and marks around it."""
    word = text[start:end]
    left = len(word) - len(word.lstrip(_EDGES))
    return start + left, start + max(left, len(word.rstrip(_EDGES)))
