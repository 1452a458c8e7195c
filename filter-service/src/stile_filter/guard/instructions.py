"""A client's system message: which instructions in it are an attack on those before it.

Checks for injections look for instructions where data is expected. A system message is made of them: of 50
ordinary ones the trained check takes 10 for injections, some with more certainty than real ones. So what
counts there is only a sentence that tells the model to ignore or to reveal the owner's text before it.
"""

import re

INJECTION_CHECKS = frozenset({"TrainedInjection", "PromptInjection"})
"""The scanners whose findings in a system message count only if it ``displaces``."""

_EARLIER = r"(?:previous|prior|preceding|above|earlier|former|initial|original|before|first|existing|other)"
_RULES = (
    r"(?:instructions?|prompts?|rules?|guidelines?|directives?|orders?|restrictions?|policy|policies|everything|"
    r"system messages?)"
)
_DROP = (
    r"(?:ignor\w*|disregard\w*|forget\w*|overrid\w*|overrul\w*|bypass\w*|discard\w*|drop|cancel\w*|void|"
    r"replac\w*|supersed\w*|invalid|no longer (?:valid|apply|applies)|lifted)"
)
_TELL = r"(?:reveal|print|repeat|show|output|recite|quote|display|disclose|tell)"
_WITHIN = r"[^.!?\n]{0,60}?\b"
_DISPLACES = re.compile(
    rf"\b{_DROP}\b{_WITHIN}{_EARLIER}\b{_WITHIN}{_RULES}\b"
    rf"|\b{_DROP}\b{_WITHIN}{_RULES}\b{_WITHIN}(?:{_EARLIER}|you (?:have|were|had)|owner)\b"
    rf"|\b(?:{_EARLIER}|owner'?s?)\b{_WITHIN}{_RULES}\b{_WITHIN}{_DROP}\b"
    rf"|\b{_TELL}\b{_WITHIN}{_EARLIER}\b{_WITHIN}{_RULES}\b"
    rf"|\b{_TELL}\b{_WITHIN}{_RULES}\b{_WITHIN}{_EARLIER}\b"
    rf"|\b{_DROP}\b{_WITHIN}(?:safety|owner'?s?)\b{_WITHIN}{_RULES}\b",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"\b(?:not|never|don't|doesn't|can't|cannot|refuse to|if|when|whenever|tries|attempts?|asks?)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[^.!?\n]+")


def displaces(text: str) -> bool:
    """Return whether a system message tells the model to ignore or to reveal the text before it.

    A sentence that forbids this, or says what to do if a user tries it, does not count.
    """
    return any(
        (found := _DISPLACES.search(sentence)) and not _NOT.search(sentence, 0, found.start())
        for sentence in _SENTENCE.findall(text)
    )
