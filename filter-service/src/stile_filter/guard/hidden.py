"""What nobody sees in a text: payloads that hide instructions, and what people paste without knowing.

A payload carries data for the model alone: tags, selectors or zero-width characters in a row, text that is
turned round. A soft hyphen, a byte order mark or a zero-width space carries nothing, and Persian, Indic
scripts, Hebrew and emoji need their joiners and marks.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

_ZERO_WIDTH = (
    "\u180e\u200b-\u200d\u2060-\u2064\u206a-\u206f\ufeff\u115f\u1160\u3164\uffa0"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
)
"""Drawn as nothing; two kinds of them in a row are bits."""

# A flag of a country's part is a black flag, its code in tags, and the end of the tags (UTS #51, C.1).
_FLAG = re.compile(
    "\U0001f3f4[\U000e0061-\U000e007a]{2}[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,3}\U000e007f"
)
_TAG = re.compile("[\U000e0000-\U000e007f]")
_UNASSIGNED = re.compile("[\u2065\ufff0-\ufff8\U000e0080-\U000e00ff\U000e01f0-\U000e0fff]")
_SELECTOR = "\ufe00-\ufe0f\U000e0100-\U000e01ef\u180b-\u180d\u180f"
_SELECTORS = re.compile(f"[{_SELECTOR}]{{2,}}")
_RUN = re.compile(f"[{_ZERO_WIDTH}]{{8,}}")
_OVERRIDDEN = re.compile("[\u202d\u202e]([^\u202c\n]*)")
_BETWEEN_LETTERS = re.compile(f"(?<=[A-Za-z0-9 ])[{_ZERO_WIDTH}]+(?=[A-Za-z0-9 ])")
_STYLED = re.compile(f"(.)([{_SELECTOR}])", re.DOTALL)

_MIN_MARKED = 4
"""Selectors on letters that have no variants; fewer may be a font's or a copy's mistake."""
_MIN_BITS = 8
"""Zero-width characters between Latin letters: one byte."""

_SUSPECT = re.compile(f"[{_ZERO_WIDTH}{_SELECTOR}\u2065\u202d\u202e\ufff0-\ufff8\U000e0000-\U000e0fff]")
"""Any character that a payload is made of; a text without one is done with in one look."""


class Payload(NamedTuple):
    """Hidden data in a text."""

    kind: str
    """``tags``, ``selectors``, ``zero-width``, ``override`` or ``unassigned``."""
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
    bare = _FLAG.sub(lambda flag: " " * len(flag[0]), text)
    for pattern, kind in ((_TAG, "tags"), (_UNASSIGNED, "unassigned"), (_SELECTORS, "selectors")):
        if found := pattern.search(bare):
            yield Payload(kind, *found.span())
    for run in _RUN.finditer(bare):
        if len(set(run[0])) > 1:
            yield Payload("zero-width", *run.span())
    for overridden in _OVERRIDDEN.finditer(bare):
        if any(_is_latin(char) for char in overridden[1]):
            yield Payload("override", *overridden.span())
    yield from _spread(bare)


def _spread(text: str) -> Iterator[Payload]:
    """Yield data that is spread over a text, a piece on each letter."""
    marked = [found for found in _STYLED.finditer(text) if not _has_variants(found[1], found[2])]
    if len(marked) >= _MIN_MARKED:
        yield Payload("selectors", marked[0].start(), marked[-1].end())
    between = list(_BETWEEN_LETTERS.finditer(text))
    if sum(len(found[0]) for found in between) >= _MIN_BITS and len(set("".join(b[0] for b in between))) > 1:
        yield Payload("zero-width", between[0].start(), between[-1].end())


def _has_variants(base: str, selector: str) -> bool:
    """Tell whether a base may have a selector: emoji styles, and scripts with variants of letters."""
    if selector in "\ufe0e\ufe0f":
        return unicodedata.category(base) in {"So", "Sm", "Po", "Nd", "Mn", "Me", "Sk", "Cn", "Pd", "Cf"}
    name = unicodedata.name(base, "")
    return name.startswith(("CJK", "MONGOLIAN", "MYANMAR", "PHAGS-PA", "MANICHAEAN")) or (
        unicodedata.category(base) in {"Sm", "So", "Nd"}
    )


def _is_latin(char: str) -> bool:
    return char.isalpha() and unicodedata.name(char, "").startswith("LATIN")
