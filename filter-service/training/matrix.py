"""Turns rows into matrices, window by window, with the features that the running filter uses."""

from functools import lru_cache
from math import sqrt
from typing import NamedTuple

import numpy as np
from rows import Row
from scipy import sparse

from stile_filter.guard.trained.disguises import undisguised
from stile_filter.guard.trained.features import ROWS, character_rows, fold, lexicon_rows, sentences, word_rows
from stile_filter.guard.trained.lexicon import load_lexicon
from stile_filter.guard.trained.windows import windows

LEXICON_VALUE = 0.4
"""What a lexicon row counts beside an n-gram's 1/sqrt(n); larger than most, as there are few of them."""
MOST_WINDOWS = 10
"""Windows of one text that are learned from or measured on."""

_lexicon = load_lexicon()
_character_rows = lru_cache(maxsize=200_000)(character_rows)


class Windows(NamedTuple):
    """The windows of many texts: a matrix row each."""

    features: sparse.csr_matrix
    owners: np.ndarray
    """The number of the text that each window belongs to."""


def window_matrix(rows: list[Row]) -> Windows:
    """Return the windows of all texts."""
    indices: list[np.ndarray] = []
    values: list[np.ndarray] = []
    ends = [0]
    owners = []
    for owner, row in enumerate(rows):
        parts = list(sentences(fold(undisguised(row.text, _lexicon.known))))
        ngrams = []
        lexical = []
        for part in parts:
            found = word_rows(part.words)
            for word in part.words:
                found = found + _character_rows(word)
            ngrams.append(found)
            lexical.append(lexicon_rows(_lexicon.classes_of(part.words)))
        for start, end in list(windows([part.characters for part in parts]))[:MOST_WINDOWS]:
            together = [index for part in ngrams[start:end] for index in part]
            columns, counts = np.unique(np.array(together, dtype=np.int64), return_counts=True)
            classes = np.array(sorted(set().union(*lexical[start:end])), dtype=np.int64)
            indices += [columns, classes]
            values += [counts / sqrt(len(together) or 1), np.full(len(classes), LEXICON_VALUE)]
            ends.append(ends[-1] + len(columns) + len(classes))
            owners.append(owner)
    matrix = sparse.csr_matrix(
        (np.concatenate(values).astype(np.float32), np.concatenate(indices).astype(np.int32), np.array(ends)),
        shape=(len(owners), ROWS),
    )
    return Windows(matrix, np.array(owners))
