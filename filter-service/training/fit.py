"""Fits the heads: one logistic regression each."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from matrix import Windows
from rows import HEADS, Row
from scipy import sparse
from sklearn.linear_model import LogisticRegression

SEED = 20261128
OWN_WEIGHT = 3.0
"""What a line of our own counts: there are few, and each was written to say something."""
SOURCE_POWER = 0.6
"""A source of n texts counts as n to this power, so that a large one does not drown the others."""
HARD = {"prompts_chat": 6.0, "instructions": 6.0, "notinject": 6.0, "frr_translated": 4.0, "mitre_frr": 4.0}
"""What texts count that are harmless and look like attacks, or are long: most false alarms are such."""
STRENGTH = {"injection": 4.0}
"""Inverse regularisation, by head."""
DEFAULT_STRENGTH = 2.0


@dataclass(frozen=True, slots=True)
class Head:
    """A fitted head."""

    weights: np.ndarray
    bias: float

    def scores(self, features: sparse.csr_matrix) -> np.ndarray:
        """Return log-odds."""
        return np.asarray(features @ self.weights).ravel() + self.bias


def worst(scores: np.ndarray, owners: np.ndarray, count: int) -> np.ndarray:
    """Return each text's highest score."""
    best = np.full(count, -30.0)
    np.maximum.at(best, owners, scores)
    return best


def fit(rows: list[Row], windows: Windows, heads: tuple[str, ...] = HEADS) -> dict[str, Head]:
    """Fit heads to rows whose windows are given."""
    return {head: _fit(head, rows, windows) for head in heads}


def _fit(head: str, rows: list[Row], windows: Windows) -> Head:
    """Fit one head.

    All windows of a text that must pass must pass. Of a longer text that is caught, only the window that
    looks most like it is known to be the reason, so it is fitted twice: to the short texts first, then to
    those windows as well.
    """
    labels = np.array([row.labels.get(head, -1) for row in rows])
    of_window = labels[windows.owners]
    each = np.bincount(windows.owners, minlength=len(rows))
    weights = _weights(rows, labels)[windows.owners]
    negative = np.flatnonzero(of_window == 0)
    single = np.flatnonzero((of_window == 1) & (each[windows.owners] == 1))
    chosen = np.concatenate([negative, single])
    head_ = _regression(head, windows.features[chosen], of_window[chosen], weights[chosen])
    several = np.flatnonzero((of_window == 1) & (each[windows.owners] > 1))
    if len(several) == 0:
        return head_
    scores = head_.scores(windows.features[several])
    best = worst(scores, windows.owners[several], len(rows))
    chosen = np.concatenate([chosen, several[scores >= best[windows.owners[several]]]])
    return _regression(head, windows.features[chosen], of_window[chosen], weights[chosen])


def _regression(head: str, features: sparse.csr_matrix, labels: np.ndarray, weights: np.ndarray) -> Head:
    model = LogisticRegression(
        C=STRENGTH.get(head, DEFAULT_STRENGTH), solver="liblinear", random_state=SEED, tol=1e-2
    )
    used = np.flatnonzero(np.bincount(features.indices, minlength=features.shape[1]) > 1)
    model.fit(features[:, used], labels, sample_weight=weights)
    all_weights = np.zeros(features.shape[1])
    all_weights[used] = model.coef_[0]
    return Head(all_weights, float(model.intercept_[0]))


def _weights(rows: list[Row], labels: np.ndarray) -> np.ndarray:
    groups = Counter(zip((row.source for row in rows), labels.tolist(), strict=True))
    return np.array(
        [
            row.weight
            * HARD.get(row.source, 1.0)
            * (
                OWN_WEIGHT
                if row.source.startswith("own_")
                else groups[row.source, label] ** (SOURCE_POWER - 1)
            )
            for row, label in zip(rows, labels.tolist(), strict=True)
        ]
    )
