"""Joiners that emoji and scripts are written with: invisible by their category, and part of what is seen.

LLM-Guard's InvisibleText refuses every format character. So it would refuse a family's emoji (people joined
by U+200D), Persian (U+200C within words) and the Indic scripts. Where Unicode gives a joiner a visible
meaning (The Unicode Standard 17.0, section 23.2; UTS #51, "Emoji ZWJ Sequences"), it hides nothing.
"""

import unicodedata

_ZWNJ, _ZWJ = "\u200c", "\u200d"
_SCRIPTS = (
    *("ARABIC", "SYRIAC", "MONGOLIAN", "DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI", "ORIYA", "TAMIL"),
    *("TELUGU", "KANNADA", "MALAYALAM", "SINHALA", "KHMER", "MYANMAR"),
)
"""Whose letters a joiner shapes, as their characters' names begin."""
_EMOJI_PARTS = "\ufe0f" + "".join(map(chr, range(0x1F3FB, 0x1F400)))
"""What may stand between an emoji and a joiner: the emoji style, and the tones of skin."""


def without_joiners(text: str) -> str:
    """Return ``text`` without the joiners that are seen; any other stays where it is."""
    if _ZWJ not in text and _ZWNJ not in text:
        return text
    return "".join(char for at, char in enumerate(text) if not _is_seen(text, at, char))


def _is_seen(text: str, at: int, char: str) -> bool:
    if char not in (_ZWNJ, _ZWJ) or at == 0:
        return False
    before = text[at - 1]
    if unicodedata.name(before, "").startswith(_SCRIPTS):
        return True
    if before in _EMOJI_PARTS and at > 1:
        before = text[at - 2]
    return char == _ZWJ and _is_emoji(before) and at + 1 < len(text) and _is_emoji(text[at + 1])


def _is_emoji(char: str) -> bool:
    return unicodedata.category(char) == "So" or char in "\u2640\u2642"
