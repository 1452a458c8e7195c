"""What a request costs the model, by what was measured lately. Pure."""

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from stile_contracts.messages import Heartbeat

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


def mean_speed(workers: Sequence[Heartbeat]) -> Speed | None:
    """Return the workers' speed on average; None if none of them has measured it yet."""
    measured = [speed for heartbeat in workers if (speed := _model_speed(heartbeat))]
    model = ModelSpeed(*map(fmean, zip(*measured, strict=True))) if measured else None
    services = [beat.service_seconds for beat in workers if beat.service_seconds is not None]
    if services:
        return Speed(fmean(services), model)
    return Speed(model.answer_tokens * model.answer, model) if model else None


def _model_speed(heartbeat: Heartbeat) -> ModelSpeed | None:
    if not heartbeat.prompt_per_second or not heartbeat.predicted_per_second:
        return None
    if heartbeat.answer_tokens is None:
        return None
    return ModelSpeed(
        1 / heartbeat.prompt_per_second, 1 / heartbeat.predicted_per_second, heartbeat.answer_tokens
    )
