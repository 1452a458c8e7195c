"""What a request costs the model, by what was measured lately. Pure."""

from typing import NamedTuple

CHARS_PER_TOKEN = 4
"""OpenAI's rule of thumb for English (help.openai.com, "What are tokens and how to count them?")."""


class Size(NamedTuple):
    """How much a request asks of the model."""

    chars: int
    """Characters of the whole prompt."""
    max_tokens: int
    """Tokens of the answer, at most."""


class ModelSpeed(NamedTuple):
    """A model's speed, in seconds a token."""

    prompt: float
    answer: float
    answer_tokens: float
    """Tokens of an answer, on average."""


class Speed(NamedTuple):
    """How fast requests are answered, by one worker."""

    service: float
    """Seconds a request takes, on average."""
    model: ModelSpeed | None = None

    def seconds(self, size: Size | None) -> float:
        """Return how long a request takes: as its size says, or else as they do on average."""
        if self.model is None or size is None:
            return self.service
        answer = min(size.max_tokens, self.model.answer_tokens)
        return size.chars / CHARS_PER_TOKEN * self.model.prompt + answer * self.model.answer
