"""Control characters in text of others, which a terminal takes for commands.

They would change its title or its clipboard, or hide text.
"""

_CODES = (*range(32), *range(127, 160))
"""Unicode's category Cc, as ASCII and ISO 6429 have them."""


def replaced(text: str, *, keep: str = "") -> str:
    """Return ``text`` with a replacement character for each control character that is not in ``keep``."""
    return text.translate({code: "\N{REPLACEMENT CHARACTER}" for code in _CODES if chr(code) not in keep})
