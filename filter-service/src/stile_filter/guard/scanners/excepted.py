"""What a scanner's rule excepts: phrases and patterns that are no finding after all.

A scanner says only whether a text may pass, not where it found something. So a text that it refuses is
scanned once more without what is excepted, and only what is refused then counts. A text that passes is
scanned once, so an exception can't make a finding.
"""

import re
from collections.abc import Callable, Sequence

Scan = Callable[[str], bool]
"""Tells whether a text may pass; raises if it can't be told."""


def pattern_of(phrase: str) -> str:
    """Return the pattern of a phrase: whole words, in any case, with any white space between them."""
    words = r"\s+".join(map(re.escape, phrase.split()))
    # Only a letter or digit at its end must not go on.
    begin = r"(?<!\w)" if re.match(r"\w", phrase) else ""
    end = r"(?!\w)" if re.search(r"\w$", phrase) else ""
    return f"{begin}{words}{end}"


def with_exceptions(scan: Scan, patterns: Sequence[str]) -> Scan:
    """Return a scan that does not count what ``patterns`` match, in any case."""
    if not patterns:
        return scan
    excepted = [re.compile(pattern, re.IGNORECASE) for pattern in sorted(patterns, key=len, reverse=True)]

    def passes(text: str) -> bool:
        if scan(text):
            return True
        rest = text
        for pattern in excepted:
            # A space, so that what stood on both sides does not become one word.
            rest = pattern.sub(" ", rest)
        return rest != text and (not rest.strip() or scan(rest))

    return passes
