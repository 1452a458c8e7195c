"""Keywords: banned words and phrases, found however they are written."""

from stile_filter.guard.keywords.matcher import Hit, KeywordMatcher
from stile_filter.guard.keywords.phrases import Phrases

__all__ = ["Hit", "KeywordMatcher", "Phrases"]
