"""Credentials as a scanner that stands in a policy beside LLM-Guard's own."""

from itertools import chain
from typing import NamedTuple

from stile_filter.guard.credentials import assignments, formats


class Credential(NamedTuple):
    """A credential in a text."""

    kind: str
    """``aws``, ``github``, ``password`` and others; for logs and tests, never for the client."""
    start: int
    end: int


class Credentials:
    """Refuses passwords, keys and tokens; takes no parameters."""

    def scan(self, prompt: str) -> tuple[str, bool, float]:
        """Return the text, whether it may pass, and 1.0 if it holds a credential."""
        found = credential(prompt) is not None
        return prompt, not found, float(found)


def credential(text: str) -> Credential | None:
    """Return the first credential of ``text``, or None. Takes time in proportion to the text."""
    found = next(chain(formats.find(text), assignments.find(text)), None)
    return Credential(*found) if found else None
