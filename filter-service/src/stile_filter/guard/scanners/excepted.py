"""What a scanner's rule excepts: phrases and patterns that are no finding after all.

A scanner says only whether a text may pass, not where it found something. So a text that it refuses is
scanned once more without what is excepted, and only what is refused then counts. A text that passes is
scanned once, so an exception can't make a finding.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Scanned(NamedTuple):
    """What a scanner says of a text."""

    passes: bool
    score: float | None
    """Of risk, as the scanner counts it: at most 1, for many below 0 if there is none; None: no number."""


Scan = Callable[[str], Scanned]
"""Judges a text; raises if it can't be judged."""


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

    def judge(text: str) -> Scanned:
        first = scan(text)
        if first.passes:
            return first
        rest = text
        for pattern in excepted:
            # A space, so that what stood on both sides does not become one word.
            rest = pattern.sub(" ", rest)
        if rest == text:
            return first
        return scan(rest) if rest.strip() else Scanned(passes=True, score=None)

    return judge
