"""Every source with its windows, ready to be fitted and scored."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fit import Head, fit, worst
from lines import HELD_BACK, read_lines
from matrix import Windows, window_matrix
from rows import Row
from scipy import sparse
from sources import read_sources

from stile_filter.guard.trained.windows import allowance

MEASURED_ONLY = "xquad"
"""CC-BY-SA-4.0 asks that what is made from it carries the same licence; the weights are Apache-2.0."""

_DIVIDED = ("own_harm", "own_harmless", "own_injection")
"""Our own lines; those that patterns say are like one another, and in no part."""
_PARTS = 3


@dataclass(frozen=True)
class Corpus:
    """Rows and windows by source."""

    rows: dict[str, list[Row]]
    windows: dict[str, Windows]

    @property
    def always_out(self) -> set[str]:
        """The sources that nothing is ever trained on."""
        return {name for name in self.rows if name.endswith(HELD_BACK)} | {MEASURED_ONLY}

    def fit(
        self, heads: tuple[str, ...], leave_out: Iterable[str] = (), part: int | None = None
    ) -> dict[str, Head]:
        """Fit heads on all sources but those left out, and without one part of our own lines."""
        out = self.always_out | set(leave_out)
        names = [name for name in self.rows if name not in out]
        rows: list[Row] = []
        features = []
        owners = []
        for name in names:
            kept = self._parts(name) != part
            windows = self.windows[name]
            seen = kept[windows.owners]
            features.append(windows.features[seen])
            owners.append((np.cumsum(kept) - 1)[windows.owners[seen]] + len(rows))
            rows += [row for row, is_kept in zip(self.rows[name], kept, strict=True) if is_kept]
        together = Windows(sparse.vstack(features).tocsr(), np.concatenate(owners))
        return fit(rows, together, heads)

    def unseen_harmless(self, name: str) -> np.ndarray:
        """Return the log-odds of our own harmless lines, each by a head that saw neither it nor its twin."""
        scores = []
        for part in range(_PARTS):
            head = self.fit((name,), part=part)[name]
            for source in self.rows:
                of_part = self._parts(source)[self._labelled(source, name, 0)] == part
                scores.append(self.scores(head, source, name, 0)[of_part])
        return np.concatenate(scores)

    def _parts(self, source: str) -> np.ndarray:
        """Return the part that each text is in: twins in one, and what is not divided in none (-1)."""
        count = len(self.rows[source])
        return np.arange(count) // 2 % _PARTS if source in _DIVIDED else np.full(count, -1)

    def _labelled(self, source: str, name: str, label: int) -> np.ndarray:
        return np.array([row.labels.get(name) == label for row in self.rows[source]])

    def scores(self, head: Head, source: str, name: str, label: int) -> np.ndarray:
        """Return the log-odds of a source's texts that ``name``'s label is ``label`` for."""
        windows = self.windows[source]
        count = len(self.rows[source])
        each = np.bincount(windows.owners, minlength=count)
        scores = worst(head.scores(windows.features), windows.owners, count) - [allowance(n) for n in each]
        return scores[self._labelled(source, name, label)]


def load_corpus(data: Path) -> Corpus:
    """Read the public sources and our own lines."""
    rows = {**read_sources(data), **read_lines()}
    return Corpus(rows, {name: window_matrix(rows[name]) for name in rows})
