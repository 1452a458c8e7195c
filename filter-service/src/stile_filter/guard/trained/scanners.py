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
    """Refuses requests for harm, of any kind or of chosen categories.

    Heads of single categories know less than the one of all harm and fire sooner, so a category counts only
    as far as that one agrees.
    """

    def __init__(
        self, *, threshold: float = DEFAULT_THRESHOLD, categories: Collection[str] | None = None
    ) -> None:
        """Read the weights.

        Args:
            threshold: the score from which on a text is refused.
            categories: of ``CATEGORIES``; without it, harm of any kind.

        Raises:
            ValueError: the threshold is not between 0 and 1, or a category is not known.
            WeightsError: the weights are missing or damaged.
        """
        unknown = set(categories or ()) - set(CATEGORIES)
        if unknown or (categories is not None and not categories):
            raise ValueError(f"categories must be some of {', '.join(CATEGORIES)}")
        self._threshold = _checked(threshold)
        self._categories = None if categories is None else tuple(sorted(categories))
        self._heads = load_heads()

    def scan(self, prompt: str) -> tuple[str, bool, float]:
        """Score ``prompt``."""
        scores = self._heads.scores(prompt)
        score = scores["harm"]
        if self._categories is not None:
            score = min(score, max(scores[name] for name in self._categories))
        return prompt, score < self._threshold, score


def _checked(threshold: float) -> float:
    if not 0 < threshold <= 1:
        raise ValueError("threshold must be above 0 and at most 1")
    return threshold
