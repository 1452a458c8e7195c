"""The texts of a request, and what lies across them."""

from stile_filter.guard.texts.request import JOINED, RequestTexts, Text

__all__ = ["JOINED", "RequestTexts", "Text"]
