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


@dataclass(frozen=True)
class Corpus:
    """Rows and windows by source."""

    rows: dict[str, list[Row]]
    windows: dict[str, Windows]

    @property
    def always_out(self) -> set[str]:
        """The sources that nothing is ever trained on."""
        return {name for name in self.rows if name.endswith(HELD_BACK)} | {MEASURED_ONLY}

    def fit(self, heads: tuple[str, ...], leave_out: Iterable[str] = ()) -> dict[str, Head]:
        """Fit heads on all sources but those left out."""
        out = self.always_out | set(leave_out)
        names = [name for name in self.rows if name not in out]
        rows: list[Row] = []
        features = []
        owners = []
        for name in names:
            features.append(self.windows[name].features)
            owners.append(self.windows[name].owners + len(rows))
            rows += self.rows[name]
        together = Windows(sparse.vstack(features).tocsr(), np.concatenate(owners))
        return fit(rows, together, heads)

    def scores(self, head: Head, source: str, name: str, label: int) -> np.ndarray:
        """Return the log-odds of a source's texts that ``name``'s label is ``label`` for."""
        windows = self.windows[source]
        count = len(self.rows[source])
        each = np.bincount(windows.owners, minlength=count)
        scores = worst(head.scores(windows.features), windows.owners, count) - [allowance(n) for n in each]
        return scores[np.array([row.labels.get(name) == label for row in self.rows[source]])]


def load_corpus(data: Path) -> Corpus:
    """Read the public sources and our own lines."""
    rows = {**read_sources(data), **read_lines()}
    return Corpus(rows, {name: window_matrix(rows[name]) for name in rows})
