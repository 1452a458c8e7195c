"""Removes the invisible characters that mean nothing where they stand, and keeps those that do.

Soft hyphens, zero-width spaces and byte order marks come with what people paste. Persian and the Indic
scripts need their joiners, emoji their joiners and styles, Thai and Khmer the spaces that nobody sees, and
text in two directions its marks (The Unicode Standard 17.0, chapters 9, 12 and 23; UTS #51).
"""

import re
import unicodedata
from functools import lru_cache

from stile_filter.guard.hidden.payloads import FLAG, has_variants

_ZWSP, _ZWNJ, _ZWJ, _GRAPHEME_JOINER = "\u200b", "\u200c", "\u200d", "\u034f"
_BRAILLE_BLANK = "\u2800"
_MARKS = "\u061c\u200e\u200f"
_BRACKETS = "\u202a-\u202c\u2066-\u2069"
"""Open and close a run of text of one direction. Overrides are not among them: they turn letters round."""
_SELECTORS = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_BLACK_FLAG = "\U0001f3f4"

_INVISIBLE = re.compile(
    f"[{_MARKS}{_BRACKETS}{_SELECTORS}"
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # controls other than tabs and line ends
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200d\u202d\u202e\u2060-\u2065\u206a-\u206f\u3164"
    "\ufeff\uffa0\ufff0-\ufffb\U00013430-\U00013455\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]+"
)
_ASCII_CONTROLS = bytes({*range(0x20), 0x7F} - set(b"\t\n\v\f\r"))
_SHORT_RUN = 8
"""What is kept of a run of at most so many characters is remembered: such runs come often."""
_BRAILLE = re.compile("[\u2801-\u28ff]")
_RIGHT_TO_LEFT = re.compile(
    "[\u05be-\u05f4\u0608-\u061b\u061d-\u085e\u0860-\u08c9\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001eeff]"
)
"""A letter of a script that is written from the right."""

# The scripts whose letters join, or are shaped by joiners.
_JOINED = re.compile(
    "[\u0600-\u07ff\u0840-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u18af\u1a20-\u1aaf\u1b00-\u1bbf\ua840-\ua95f"
    "\ua980-\uaadf\uaae0-\uabff\ufb50-\ufdff\ufe70-\ufefc\U00010a00-\U00010aff\U00010d00-\U00010d3f"
    "\U00011000-\U00011fff\U0001e900-\U0001e95f]"
)
# Thai, Lao, Tibetan, Burmese, Khmer and the Tai scripts: no space between words.
_UNSPACED = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf\ua9e0-\ua9ff\uaa60-\uaadf]"
)
_EMOJI = re.compile(
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001fbff]"
)
"""By block, so that those of a later Unicode are known."""
_KEYCAPS, _KEYCAP = "0123456789#*", "\u20e3"
_STYLES = "\ufe0e\ufe0f"

_BESIDE = (
    # What is invisible; the characters that give it a meaning, before or behind it.
    # A filler takes the place of a part of a Hangul syllable that is missing.
    (re.compile("[\u115f\u1160]"), re.compile("[\u1100-\u115e\u1161-\u11ff\ua960-\ua97c\ud7b0-\ud7fb]")),
    (re.compile("\u180e"), re.compile("[\u1800-\u18af]")),
    (re.compile("[\U00013430-\U00013455]"), re.compile("[\U00013000-\U0001342f\U00013460-\U000143ff]")),
    (re.compile("[\U0001bca0-\U0001bca3]"), re.compile("[\U0001bc00-\U0001bc9f]")),
    (re.compile("[\U0001d173-\U0001d17a]"), re.compile("[\U0001d100-\U0001d1ff]")),
    (re.compile(_ZWSP), _UNSPACED),
    (re.compile(_ZWJ), _JOINED),
)


def without_invisible(text: str) -> str:
    """Return ``text`` without the invisible characters that mean nothing in it; itself if it has none.

    A blank of Braille in other text becomes a space. Takes linear time.
    """
    if text.isascii():
        left = text.encode().translate(None, _ASCII_CONTROLS)
        return text if len(left) == len(text) else left.decode()
    if _BRAILLE_BLANK in text and not _BRAILLE.search(text):
        text = text.replace(_BRAILLE_BLANK, " ")
    if not _INVISIBLE.search(text):
        return text
    lines = _Lines(text)
    kept: list[str] = []
    at = 0
    for run in _INVISIBLE.finditer(text):
        kept.append(text[at : run.start()])
        kept.append(_meant(text, run, lines))
        at = run.end()
    kept.append(text[at:])
    cleaned = "".join(kept)
    return text if cleaned == text else cleaned


class _Lines:
    """Knows of each line whether it has letters that are written from the right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._end = -1
        self._is_right_to_left = False

    def is_right_to_left(self, at: int) -> bool:
        """Return whether the line at ``at`` has such letters. From call to call, ``at`` may not go back."""
        if at > self._end:
            start = self._text.rfind("\n", 0, at) + 1
            end = self._text.find("\n", at)
            self._end = len(self._text) if end < 0 else end
            self._is_right_to_left = _RIGHT_TO_LEFT.search(self._text, start, self._end) is not None
        return self._is_right_to_left


def _meant(text: str, run: re.Match[str], lines: _Lines) -> str:
    """Return what is kept of a run of invisible characters: of each one at most, but of brackets all."""
    before = text[run.start() - 1] if run.start() else ""
    after = text[run.end()] if run.end() < len(text) else ""
    kept, chars = "", run[0]
    if before == _BLACK_FLAG and (flag := FLAG.match(text, run.start() - 1)):
        kept, chars = flag[0][1:], text[flag.end() : run.end()]
    is_right_to_left = lines.is_right_to_left(run.start()) if _DIRECTION.search(chars) else False
    between = _meant_between if len(chars) <= _SHORT_RUN else _meant_between.__wrapped__
    return kept + between(before, chars, after, is_right_to_left)


@lru_cache(1024)
def _meant_between(before: str, chars: str, after: str, is_right_to_left: bool) -> str:  # noqa: FBT001 -- by its place, for the cache
    meant: list[str] = []
    seen: set[str] = set()
    for char in chars:
        if _BRACKET.match(char):
            if is_right_to_left:
                meant.append(char)
        elif char not in seen:
            seen.add(char)
            is_meant = is_right_to_left if char in _MARKS else _is_meant(char, before, after, first=not meant)
            meant += char if is_meant else ""
    return "".join(meant)


_BRACKET = re.compile(f"[{_BRACKETS}]")
_DIRECTION = re.compile(f"[{_MARKS}{_BRACKETS}]")
_SELECTOR = re.compile(f"[{_SELECTORS}]")


def _is_meant(char: str, before: str, after: str, *, first: bool) -> bool:
    """Tell whether a character means something between two visible ones (or none, at an end of the text)."""
    if _SELECTOR.match(char):
        return first and before != "" and _has_style(before, char, after)
    if char == _ZWJ and _is(_EMOJI, before) and _is(_EMOJI, after):
        return True
    if char == _ZWNJ:
        return _is(_JOINED, before)
    if char == _GRAPHEME_JOINER:
        # Between the points of a letter.
        return before != "" and after != "" and unicodedata.category(after) == "Mn"
    return any(
        kind.match(char) and (_is(neighbours, before) or _is(neighbours, after))
        for kind, neighbours in _BESIDE
    )


def _has_style(base: str, selector: str, after: str) -> bool:
    if selector not in _STYLES:
        return has_variants(base, selector)
    return after == _KEYCAP if base in _KEYCAPS else _is(_EMOJI, base)


def _is(kind: re.Pattern[str], char: str) -> bool:
    return char != "" and kind.match(char) is not None
