"""What nobody sees in a text: payloads that hide instructions, and what people paste without knowing.

A payload carries data for the model alone: tags, selectors or zero-width characters in a row, text that is
turned round. A soft hyphen, a byte order mark or a zero-width space carries nothing, and Persian, Indic
scripts, Hebrew and emoji need their joiners and marks.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

_ZERO_WIDTH = (
    "\u034f\u180e\u200b-\u200d\u2060-\u2064\u206a-\u206f\ufeff\u115f\u1160\u17b4\u17b5\u3164\uffa0"
    "\ufff9-\ufffb\U00013430-\U00013455\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
)
"""Drawn as nothing; two kinds of them in a row are bits (Unicode 17.0, Default_Ignorable and Cf)."""
_MARKS = "\u00ad\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2800"
"""Drawn as nothing, or as a space, and in daily use; in a long run of several kinds they are bits too."""

# A flag of a country's part is a black flag, its code in tags, and the end of the tags (UTS #51, C.1).
FLAG = re.compile(
    "\U0001f3f4[\U000e0061-\U000e007a]{2}[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,3}\U000e007f"
)
_REGIONS = ("gbeng", "gbsct", "gbwls")
_TAG = re.compile("[\U000e0000-\U000e007f]")
_UNASSIGNED = re.compile("[\u2065\ufff0-\ufff8\U000e0080-\U000e00ff\U000e01f0-\U000e0fff]")
_RGI_FLAGS = tuple(
    "\U0001f3f4" + "".join(chr(0xE0000 + ord(c)) for c in code) + "\U000e007f" for code in _REGIONS
)
"""The flags of parts of countries that Unicode recommends; others are drawn as a black flag."""
_MAX_OTHER_FLAGS = 3
_SELECTOR = "\ufe00-\ufe0f\U000e0100-\U000e01ef\u180b-\u180d\u180f"
_SELECTORS = re.compile(f"[{_SELECTOR}]{{2,}}")
_RUN = re.compile(f"[{_ZERO_WIDTH}{_MARKS}{_SELECTOR}]{{8,}}")
_PERIODIC = re.compile(r"(.{1,6}?)\1{2,}", re.DOTALL)
"""A unit that repeats, as mail programs pad a preview: it carries no more than the unit."""
_OVERRIDDEN = re.compile("([\u202d\u202e])([^\u202c\n]*)")
_NUMBER = re.compile(r"[\s0-9A-Fx.,:;()+/*=-]*")
"""What calculators and address books copy behind a left-to-right override: a number, hexadecimal ones too."""
_ANNOTATED = re.compile("\ufff9[^\ufff9-\ufffb\n]*\ufffa[^\ufff9-\ufffb\n]*\ufffb")
# Letters of scripts that are written without joiners: Latin to Armenian, Georgian, kana, Han, Hangul.
_LETTER = "A-Za-z0-9 \u00c0-\u058f\u10a0-\u10ff\u1e00-\u1fff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"
_BIT = _ZERO_WIDTH.replace("\u2060-\u2064", "\u2060")
"""Not the invisible operators: mathematics that is copied from a page has many of them."""
_BETWEEN_LETTERS = re.compile(f"(?<=[{_LETTER}])[{_BIT}]+(?=[{_LETTER}])")
_DENSE = re.compile(f"(?:[{_LETTER}][{_ZERO_WIDTH}{_MARKS}]){{8,}}")
"""Something invisible after each of eight letters."""
_STYLED = re.compile(f"(.)([{_SELECTOR}])", re.DOTALL)

_LAST_REGISTERED = "\U000e0120"
"""Han characters have at most 32 registered variants (Ideographic Variation Database)."""
_KINDS = 2
_MIN_MARKED = 4
"""Selectors on letters that have no variants; fewer may be a font's or a copy's mistake."""
_MIN_BITS = 8
"""Zero-width characters between Latin letters: one byte."""

_MIN_OF_EACH = 2
"""Of the second kind among them: a byte order mark between soft spaces is no bit."""

_SUSPECT = re.compile(f"[{_ZERO_WIDTH}{_SELECTOR}{_MARKS}\u2065\ufff0-\ufff8\U000e0000-\U000e0fff]")
"""Any character that a payload is made of; a text without one is done with in one look."""


class Payload(NamedTuple):
    """Hidden data in a text."""

    kind: str
    """``tags``, ``selectors``, ``zero-width``, ``override``, ``annotation`` or ``unassigned``."""
    start: int
    end: int


class HiddenText:
    """A scanner in LLM-Guard's form: refuses hidden payloads, and nothing that people type or paste."""

    def scan(self, prompt: str) -> tuple[str, bool, float]:
        """Return the text, whether it may pass, and 1.0 if it holds a payload."""
        found = payload(prompt) is not None
        return prompt, not found, float(found)


def payload(text: str) -> Payload | None:
    """Return the first payload that is hidden in ``text``, or None."""
    if text.isascii() or not _SUSPECT.search(text):
        return None
    return next(_payloads(text), None)


def _payloads(text: str) -> Iterator[Payload]:
    # Of the same length, so that places stay what they are.
    others = [flag for flag in FLAG.finditer(text) if flag[0] not in _RGI_FLAGS]
    if len({flag[0] for flag in others}) > _MAX_OTHER_FLAGS:
        yield Payload("tags", others[0].start(), others[-1].end())
    bare = FLAG.sub(lambda flag: "." * len(flag[0]), text)
    for pattern, kind in (
        (_TAG, "tags"),
        (_UNASSIGNED, "unassigned"),
        (_SELECTORS, "selectors"),
        (_ANNOTATED, "annotation"),
    ):
        if found := pattern.search(bare):
            yield Payload(kind, *found.span())
    for run in _RUN.finditer(bare):
        if _carries_bits(run[0]):
            yield Payload("zero-width", *run.span())
    for overridden in _OVERRIDDEN.finditer(bare):
        if _turns_text(overridden[1], overridden[2]):
            yield Payload("override", *overridden.span())
    yield from _spread(bare)


def _spread(text: str) -> Iterator[Payload]:
    """Yield data that is spread over a text, a piece on each letter."""
    marked = [found for found in _STYLED.finditer(text) if not has_variants(found[1], found[2])]
    if len(marked) >= _MIN_MARKED:
        yield Payload("selectors", marked[0].start(), marked[-1].end())
    between = list(_BETWEEN_LETTERS.finditer(text))
    if _carries_bits("".join(found[0] for found in between)):
        yield Payload("zero-width", between[0].start(), between[-1].end())
    for dense in _DENSE.finditer(text):
        if _carries_bits(dense[0][1::2]):
            yield Payload("zero-width", *dense.span())


def _carries_bits(chars: str) -> bool:
    """Tell whether invisible characters are a byte or more of two kinds, and not one unit that repeats."""
    counts = Counter(chars).most_common(2)
    if len(chars) < _MIN_BITS or len(counts) < _KINDS or counts[1][1] < _MIN_OF_EACH:
        return False
    unit = _PERIODIC.match(chars)
    return unit is None or not unit[1].startswith(chars[unit.end() :])


def _turns_text(override: str, text: str) -> bool:
    if override == "\u202d" and _NUMBER.fullmatch(text):
        return False
    return any(unicodedata.bidirectional(char) == "L" and char.isalpha() for char in text)


def has_variants(base: str, selector: str) -> bool:
    """Tell whether a base may have a selector: emoji styles, and scripts with variants of letters.

    Letters of scripts are asked for, not emoji: those are new each year.
    """
    if selector in "\ufe0e\ufe0f":
        return not base.isalpha() and base not in " \t\n"
    if selector >= _LAST_REGISTERED:
        return False
    name = unicodedata.name(base, "")
    if selector >= "\U000e0100":
        return name.startswith("CJK") or unicodedata.category(base) == "Cn"
    return name.startswith(("CJK", "MONGOLIAN", "MYANMAR", "PHAGS-PA", "MANICHAEAN", "EGYPTIAN")) or (
        unicodedata.category(base) in {"Sm", "Nd", "Po", "Cn"}
    )
