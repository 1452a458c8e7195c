"""Answers of the model: which part of one may be sent, while the rest of it is still being written.

Layout:
    ``checker``   the decision over one text of an answer; the only thing that others use
    ``holding``   what of a text may still become a hit
    ``recital``   the system prompt in the model's answer
    ``secrets``   which lines LLM-Guard's slow Secrets scanner gets
"""

from stile_filter.guard.answers.checker import AnswerChecker, Found, PartVerdict

__all__ = ["AnswerChecker", "Found", "PartVerdict"]
