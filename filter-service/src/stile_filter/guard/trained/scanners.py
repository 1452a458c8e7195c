"""The heads as scanners in LLM-Guard's form, so that they stand in a policy beside LLM-Guard's own.

``scan`` returns the text, whether it may pass, and the score, 0 to 1.
"""

from collections.abc import Collection

from stile_filter.guard.trained.heads import load_heads

DEFAULT_THRESHOLD = 0.5
"""Every head's score is shifted so that this is its threshold; docs/guard-trained.md says what it lets by."""

CATEGORIES = ("sexual", "violence", "self_harm", "hate", "harassment", "crime", "weapons")


class TrainedInjection:
    """Refuses what tries to change the model's instructions or to learn them."""

    def __init__(self, *, threshold: float = DEFAULT_THRESHOLD) -> None:
        """Read the weights.

        Raises:
            ValueError: the threshold is not between 0 and 1.
            WeightsError: the weights are missing or damaged.
        """
        self._threshold = _checked(threshold)
        self._heads = load_heads()

    def scan(self, prompt: str) -> tuple[str, bool, float]:
        """Score ``prompt``."""
        score = self._heads.scores(prompt)["injection"]
        return prompt, score < self._threshold, score


class TrainedHarm:
    """Refuses requests for harm, of any kind or of chosen categories."""

    def __init__(
        self, *, threshold: float = DEFAULT_THRESHOLD, categories: Collection[str] | None = None
    ) -> None:
        """Read the weights.

        Args:
            threshold: the score from which on a text is refused.
            categories: of ``CATEGORIES``; without it, all of them and harm that fits none.

        Raises:
            ValueError: the threshold is not between 0 and 1, or a category is not known.
            WeightsError: the weights are missing or damaged.
        """
        unknown = set(categories or ()) - set(CATEGORIES)
        if unknown or (categories is not None and not categories):
            raise ValueError(f"categories must be some of {', '.join(CATEGORIES)}")
        self._threshold = _checked(threshold)
        self._names = ("harm", *CATEGORIES) if categories is None else tuple(sorted(categories))
        self._heads = load_heads()

    def scan(self, prompt: str) -> tuple[str, bool, float]:
        """Score ``prompt`` by the worst of its categories."""
        scores = self._heads.scores(prompt)
        score = max(scores[name] for name in self._names)
        return prompt, score < self._threshold, score


def _checked(threshold: float) -> float:
    if not 0 < threshold <= 1:
        raise ValueError("threshold must be above 0 and at most 1")
    return threshold
