"""How long requests take, by what the workers measured lately. Pure: no network, no clock."""

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from stile_contracts.messages import Heartbeat

CHARS_PER_TOKEN = 4
"""OpenAI's rule of thumb for English (help.openai.com, "What are tokens and how to count them?")."""


class Size(NamedTuple):
    """How much work a request is for the model."""

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
    """How fast one worker answers requests."""

    service: float
    """Seconds a request takes, on average."""
    model: ModelSpeed | None = None

    @classmethod
    def of(cls, workers: Sequence[Heartbeat]) -> "Speed | None":
        """Return the average of the workers with these heartbeats; None if none has measured it yet."""
        models = [speed for heartbeat in workers if (speed := _model_speed(heartbeat))]
        model = ModelSpeed(*map(fmean, zip(*models, strict=True))) if models else None
        services = [seconds for each in workers if (seconds := each.service_seconds) is not None]
        if services:
            return cls(fmean(services), model)
        return cls(model.answer_tokens * model.answer, model) if model else None

    def seconds(self, size: Size | None) -> float:
        """Return how long a request takes: by its size, or on average if something is not known."""
        return self.all_seconds([size])[0]

    def all_seconds(self, sizes: list[Size | None]) -> list[float]:
        """Return how long each of these requests takes; one call for all is three times as fast."""
        if self.model is None:
            return [self.service] * len(sizes)
        prompt, answer, tokens = self.model
        prompt /= CHARS_PER_TOKEN
        return [
            self.service if size is None else size.chars * prompt + min(size.max_tokens, tokens) * answer
            for size in sizes
        ]


def _model_speed(heartbeat: Heartbeat) -> ModelSpeed | None:
    if not heartbeat.prompt_per_second or not heartbeat.predicted_per_second:
        return None
    if heartbeat.answer_tokens is None:
        return None
    return ModelSpeed(
        1 / heartbeat.prompt_per_second, 1 / heartbeat.predicted_per_second, heartbeat.answer_tokens
    )
