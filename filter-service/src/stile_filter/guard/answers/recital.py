"""The owner's system prompt in an answer: several of its words in a row. Pure."""

import re
from typing import NamedTuple

from stile_filter.guard.keywords import plain

RUN = 12
"""Words in a row that are a recital. Shorter runs occur by chance in answers about the same subject."""

_SHORTEST = 8
"""A shorter prompt ("You are a helpful assistant.") says nothing that is worth hiding."""
_HELD = 4
"""A run of at least so many words at the end of a text waits: it may become a recital."""

_WORD = re.compile(r"\w+")


class Run(NamedTuple):
    """The last words of a text that stand together in the prompt too."""

    start: int
    """In the text."""
    words: int


class Recital:
    """Looks for a system prompt in texts.

    Args:
        prompt: the policy's.
    """

    def __init__(self, prompt: str) -> None:
        words = [plain(word) for word in _WORD.findall(prompt)]
        self._run = min(RUN, len(words)) if len(words) >= _SHORTEST else 0
        self._following: dict[str, list[int]] = {}
        """The places of each word."""
        for at, word in enumerate(words):
            self._following.setdefault(word, []).append(at)

    def find(self, text: str) -> tuple[int | None, int]:
        """Return where a recital begins, or None; and where a run begins that may still become one.

        The second is the text's length if there is no such run at its end.
        """
        longest: dict[int, Run] = {}  # by the place in the prompt of the last word
        if not self._run:
            return None, len(text)
        for found in _WORD.finditer(text):
            before, longest = longest, {}
            for at in self._following.get(plain(found[0]), ()):
                run = before.get(at - 1, Run(found.start(), 0))
                longest[at] = Run(run.start, run.words + 1)
                if run.words + 1 >= self._run:
                    return run.start, run.start
        held = [run.start for run in longest.values() if run.words >= _HELD]
        return None, min(held, default=len(text))
