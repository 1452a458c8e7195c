"""Keywords: banned words and phrases, found however they are written.

Layout:
    ``matcher``      every list at once; the only thing that others use
    ``phrases``      the lists, and the automaton that searches for all of them
    ``fold``         a text as it is compared, and the way back to the original
    ``look_alikes``  letters that look like Latin ones
    ``shape``        a cheap look at a text: which views are worth the work
    ``views``        disguises: leet, stretched, spelled, split, backwards
    ``decoding``     other writings: entities, escapes, base64, hex, Morse, hidden characters
    ``judge``        whether a match counts in its sentence
    ``language``     in which language a sentence is
"""

from stile_filter.guard.keywords.fold import plain
from stile_filter.guard.keywords.matcher import Hit, KeywordMatcher
from stile_filter.guard.keywords.phrases import Phrases

__all__ = ["Hit", "KeywordMatcher", "Phrases", "plain"]
