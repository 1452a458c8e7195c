"""Which end of a text may still become a hit when more is written. Pure."""

import re
from collections.abc import Iterable

from stile_filter.guard.keywords import Phrases, plain
from stile_filter.guard.keywords.phrases import is_word

MOST = 300
"""At most so many characters are held back; of a longer word or sentence, a part is released."""

_LAST_WORD = re.compile(r"\S+\Z")
_WORD = re.compile(r"\S+")
_SPELLED = re.compile(r"(?:(?<!\w)\w[\W_]{1,4})+\Z")
"""Single letters with something between, up to the end: ``s h i``."""

_SENTENCE_END = re.compile(r"[.!?…。！？]+[\"'”’)\]]*(?=\s)|[。！？\n]")  # noqa: RUF001 -- full-width marks too


class PhraseHold:
    """Finds where the end of a text may be the beginning of a phrase.

    Args:
        lists: the phrases of each keyword list.
    """

    def __init__(self, lists: Iterable[Phrases]) -> None:
        self._beginnings: set[str] = set()
        """Of each phrase of several words: its first word, its first two words, and so on."""
        self._unspaced: set[str] = set()
        """The beginnings of phrases in scripts without spaces."""
        most_words = 1
        for phrase in {plain(text) for phrases in lists for text in phrases.banned}:
            words = phrase.split()
            most_words = max(most_words, len(words))
            self._beginnings.update(" ".join(words[:count]) for count in range(1, len(words)))
            if phrase and not is_word(phrase[0]):
                self._unspaced.update(phrase[:length] for length in range(1, len(phrase)))
        self._most_words = most_words - 1
        self._most_unspaced = max(map(len, self._unspaced), default=0)

    def boundary(self, text: str) -> int:
        """Return how many characters of ``text`` can't become part of a word or phrase of the lists.

        Nothing before the last ``MOST`` characters is held.
        """
        least = max(0, len(text) - MOST)
        at = max(least, self._unfinished(text))
        last = list(_WORD.finditer(text, least, at))[-self._most_words :] if self._most_words else []
        words = [plain(word[0]) for word in last]
        for first, word in enumerate(last):
            if " ".join(words[first:]) in self._beginnings:
                at = word.start()
                break
        if spelled := _SPELLED.search(text, least, at):
            at = spelled.start()
        return at

    def _unfinished(self, text: str) -> int:
        """Return where the last word begins, if more of it may follow."""
        if not (last := _LAST_WORD.search(text, max(0, len(text) - MOST))):
            return len(text)
        word = last[0]
        if is_word(word[-1]) or not any(char.isalnum() and not is_word(char) for char in word):
            # The word begins after the last character of a script without spaces.
            spaced = max(
                (at for at, char in enumerate(word) if char.isalnum() and not is_word(char)), default=-1
            )
            return last.start() + spaced + 1
        for length in range(min(self._most_unspaced, len(word)), 0, -1):
            if plain(word[-length:]) in self._unspaced:
                return last.end() - length
        return last.end()


def sentence_boundary(text: str, released: int) -> int:
    """Return how many characters of ``text`` are whole sentences; a sentence that is too long is cut."""
    ends = [found.end() for found in _SENTENCE_END.finditer(text, released)]
    at = ends[-1] if ends else released
    if len(text) - at > MOST:
        space = text.rfind(" ", at, at + MOST)
        at = space + 1 if space >= at else at + MOST
    return at


def ends_sentence(text: str, start: int) -> bool:
    """Return whether the sentence at ``start`` has ended; after ``MOST`` characters it counts as ended."""
    return len(text) - start >= MOST or _SENTENCE_END.search(text, start) is not None
